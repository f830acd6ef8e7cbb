/** The words of the console as a page, in both languages. Part of the dictionary. */
export const pageId = {
  'console.title': 'Konsol',
  'console.view.map': 'Peta',
  'console.view.incident': 'Kejadian',
  'console.view.queue': 'Antrean',
  'console.queue.unread': 'Antrean belum dapat dibaca',
  'console.offline': 'Tidak ada jaringan. Yang tampil adalah data {time}. Teks yang Anda ketik aman.',
  'console.late': 'Server belum menjawab. Yang tampil adalah data {time}. Teks yang Anda ketik aman.',
  'console.refused': 'Server menolak pilihan ini: {detail}.',
  'console.denied': 'Anda belum masuk, atau tidak berhak',
  'console.denied.safe': 'Konsol hanya untuk petugas yang masuk dengan namanya. Laporan warga tetap diterima dan tersimpan.',
  'console.denied.do': 'Masuk, lalu buka konsol lagi. Jika sudah masuk, minta hak operator kepada penyelia Anda.',
  'console.denied.login': 'Masuk',
  'console.denied.lost': 'Sesi Anda berakhir. Yang tampil mungkin tidak lengkap. Teks yang Anda ketik aman.',
  'console.home': 'Untuk operator: periksa, tugaskan, dan selesaikan kejadian, semua dengan papan ketik.',
} as const;

export const pageEn: Record<keyof typeof pageId, string> = {
  'console.title': 'Console',
  'console.view.map': 'Map',
  'console.view.incident': 'Incident',
  'console.view.queue': 'Queue',
  'console.queue.unread': 'The queue cannot be read yet',
  'console.offline': 'No network. What you see is the data of {time}. What you typed is safe.',
  'console.late': 'The server does not answer yet. What you see is the data of {time}. What you typed is safe.',
  'console.refused': 'The server refused this choice: {detail}.',
  'console.denied': 'You are not signed in, or not allowed here',
  'console.denied.safe': 'The console is for staff who signed in by name. Citizens’ reports are still taken and stored.',
  'console.denied.do': 'Sign in, then open the console again. If you are signed in, ask your supervisor for the operator’s right.',
  'console.denied.login': 'Sign in',
  'console.denied.lost': 'Your session ended. What you see may be incomplete. What you typed is safe.',
  'console.home': 'For operators: check, assign and resolve incidents, all by keyboard.',
};
