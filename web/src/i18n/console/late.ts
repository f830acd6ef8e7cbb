/** The words of what became late, as the console tells it, in both languages. Part of the dictionary. */
export const lateId = {
  'console.late.open': 'Buka',
  'console.late.dismiss.all': 'Tutup semua',
  'console.late.command': 'Buka yang baru terlambat',
  'console.help.late': 'buka yang baru saja terlambat',
} as const;

export const lateEn: Record<keyof typeof lateId, string> = {
  'console.late.open': 'Open',
  'console.late.dismiss.all': 'Close all',
  'console.late.command': 'Open what became late',
  'console.help.late': 'open what has just become late',
};
