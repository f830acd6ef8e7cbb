/** The words of the look-up of reporters' contacts, in both languages. Part of the dictionary. */
export const contactsId = {
  'console.contacts': 'Kontak pelapor',
  'console.contacts.short': 'Kontak',
  'console.contacts.reason': 'Untuk apa kontaknya?',
  'console.contacts.is': 'Dicatat dengan nama Anda dan alasannya, dan tidak dapat dihapus.',
  'console.contacts.needs': 'Tulis dulu alasannya.',
  'console.contacts.send': 'Tampilkan',
  'console.contacts.none': 'Tidak ada pelapor yang meninggalkan kontak.',
  'console.contacts.nameless': 'Tanpa nama',
  'console.contacts.refused': 'Tidak ditampilkan: {detail}.',
  'console.contacts.network': 'Belum dapat ditampilkan: server tidak menjawab. Coba lagi.',
} as const;

export const contactsEn: Record<keyof typeof contactsId, string> = {
  'console.contacts': 'The reporters’ contacts',
  'console.contacts.short': 'Contacts',
  'console.contacts.reason': 'What do you need the contacts for?',
  'console.contacts.is': 'It is written down with your name and the reason, for good.',
  'console.contacts.needs': 'Write the reason first.',
  'console.contacts.send': 'Show them',
  'console.contacts.none': 'Nobody who reported left a contact.',
  'console.contacts.nameless': 'Without a name',
  'console.contacts.refused': 'Not shown: {detail}.',
  'console.contacts.network': 'Cannot be shown yet: the server does not answer. Try again.',
};
