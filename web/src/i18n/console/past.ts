/** The words of the console looking back, in both languages. Part of the dictionary. */
export const pastId = {
  'console.past': 'Putar ulang',
  'console.past.begin': 'Putar ulang: yang diketahui pusat tadi',
  'console.past.is': '· yang diketahui pusat pada {time} · bukan keadaan sekarang',
  'console.past.alert': 'Putar ulang: yang tampil bukan keadaan sekarang.',
  'console.past.now': 'Sekarang: {n} belum diverifikasi, {late} terlambat',
  'console.past.back': 'Kembali ke sekarang',
  'console.past.as': 'Keadaan pada {time}',
  'console.past.go': 'Kembali ke sekarang dan buka kejadian ini',
  'console.past.pick': 'Pilih kejadian di peta untuk melihat keadaannya saat itu. Selama putar ulang tidak ada tindakan.',
  'console.past.filter': 'Saringan konsol berlaku juga di sini.',
  'console.past.keys': 'Spasi putar/jeda · ← → 1 mnt (Shift 15) · ↑ ↓ kecepatan · Home End · Esc kembali ke sekarang',
  'console.help.replay': 'putar ulang yang diketahui tadi; Esc kembali ke sekarang',
} as const;

export const pastEn: Record<keyof typeof pastId, string> = {
  'console.past': 'Replay',
  'console.past.begin': 'Replay: what the center knew before',
  'console.past.is': '· what the center knew at {time} · not how it stands now',
  'console.past.alert': 'Replay: what is shown is not how it stands now.',
  'console.past.now': 'Now: {n} not verified, {late} late',
  'console.past.back': 'Back to now',
  'console.past.as': 'As it stood at {time}',
  'console.past.go': 'Back to now, and open this incident',
  'console.past.pick': 'Choose an incident on the map to see how it stood then. Nothing can be done during a replay.',
  'console.past.filter': 'The console’s filter holds here too.',
  'console.past.keys': 'Space plays and pauses · ← → 1 min (Shift 15) · ↑ ↓ speed · Home End · Esc back to now',
  'console.help.replay': 'replay what was known before; Esc back to now',
};
