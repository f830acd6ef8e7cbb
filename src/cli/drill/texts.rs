//! What people in Ternate would write. `{}` stands for the name of the place.

pub const FLOOD: &[&str] = &[
    "Air sudah masuk rumah, setinggi lutut di {}",
    "Banjir di {}, motor mogok semua. Mohon bantuan",
    "Got meluap, jalan di {} tergenang sekitar 40 cm",
    "Hujan deras dari tadi, air naik cepat di {}",
    "Ada lansia yang perlu dievakuasi di {}, air makin tinggi",
    "Talud jebol, air kali masuk ke pemukiman {}",
    "Banjir lagi di {}, anak-anak sudah naik ke lantai dua",
    "Arus kuat di jalan {}, tidak bisa dilewati",
];
pub const DRAIN: &[&str] = &[
    "Saluran air tersumbat sampah di {}",
    "Jembatan kecil di {} retak kena arus",
    "Aspal terkelupas habis hujan di {}",
];
pub const JAM: &[&str] = &[
    "Macet total depan pasar {}, angkot parkir sembarangan",
    "Lampu merah mati di {}, kendaraan saling kunci",
    "Macet panjang di {}, mohon petugas diturunkan",
    "Truk bongkar muatan di badan jalan, {} tidak bergerak",
    "Pasar tumpah ke jalan di {}, kendaraan hanya bisa satu arah",
    "Ojek dan angkot berebut penumpang di {}, jalan tertutup",
];
pub const GARBAGE: &[&str] = &[
    "Sampah plastik menumpuk di pantai {}",
    "Sampah dari laut terdampar lagi di {}, bau sekali",
    "TPS di pesisir {} penuh, sampah sampai ke air",
    "Ada yang buang sampah pakai gerobak di pinggir pantai {}",
    "Bangkai dan sampah di tepi pantai {}, sudah tiga hari",
];
pub const WATER: &[&str] = &[
    "Air PDAM mati sejak subuh di {}",
    "Air keruh dan bau besi di {}",
    "Pipa bocor di pinggir jalan {}, air terbuang terus",
    "Sudah dua hari air tidak mengalir di {}",
    "Tekanan air kecil sekali di {}, tidak naik ke bak",
];
pub const ACCIDENT: &[&str] = &[
    "Tabrakan motor dengan mobil di {}, satu orang luka",
    "Kecelakaan di tikungan {}, korban belum ditolong",
    "Motor jatuh di {}, butuh ambulans",
    "Kecelakaan di {}, jalan tertutup setengah",
];
pub const QUAKE: &[&str] = &[
    "Gempa kuat sekali di {}, orang-orang lari keluar",
    "Gempa terasa di {}, barang jatuh dari rak",
    "Dinding rumah retak setelah gempa di {}",
    "Goyangan lama, lampu gantung bergerak di {}",
    "Warga {} naik ke tempat tinggi, takut tsunami",
    "Terasa gempa di {}, tidak ada kerusakan",
];
pub const PRANK: &[&str] = &[
    "Ada naga di {} tolong cepat",
    "kebakaran besar di {}!!! haha",
    "gunung meletus di {} semua lari",
    "tes tes {}",
    "ada ufo mendarat di {}",
];
pub const EVERYDAY: &[(&str, &[&str])] = &[
    (
        "infrastructure",
        &[
            "Lampu jalan mati di {}",
            "Jalan berlubang di {}, sudah ada yang jatuh",
            "Penutup got hilang di {}, bahaya malam hari",
            "Pohon miring ke kabel listrik di {}",
        ],
    ),
    ("garbage", &["Sampah belum diangkut tiga hari di {}", "Tempat sampah umum rusak di {}"]),
    ("water", &["Meteran air bocor di {}", "Air tidak mengalir di {}"]),
    ("traffic", &["Parkir liar menutup jalan di {}", "Rambu hilang di {}"]),
    ("social", &["Orang tua terlantar di {}, butuh bantuan", "Anak jalanan di lampu merah {}"]),
];
pub const NAMES: &[&str] =
    &["Ani", "Rahmat", "Nurlaila", "Ikbal", "Fatmawati", "Yusuf", "Sarbin", "Hajar", "Irfan", "Maryam"];
pub const NOTES: &[&str] =
    &["petugas menuju lokasi", "pelapor dihubungi, keadaan dipastikan", "menunggu alat berat"];
pub const DONE: &[&str] = &["sudah ditangani", "lokasi aman", "selesai, pelapor diberi tahu"];
pub const FALSE: &str = "laporan palsu, satu nomor yang sama berkali-kali";
