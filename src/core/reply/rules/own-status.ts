// Enhanced codes that speak for themselves (DESIGN decision 27, b): they decide whatever words stand behind them.
// Asked by fit.ts, so that a row's words never outvote such a code unless the row names it.

/** Addresses, mailboxes, size and content; Exchange Online's 5.4.1 (no such recipient) and 5.7.133 (closed group). */
const SUBJECTS = /^[45]\.(?:1\.(?:[1-8]|10)|2\.[1-4]|3\.4|6\.\d{1,3})$|^5\.4\.1$|^5\.7\.133$/;

export function speaksForItself(status: string | null): boolean {
  return status !== null && SUBJECTS.test(status);
}
