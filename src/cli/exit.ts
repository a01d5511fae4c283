// Exit codes (sysexits.h where it has one) and the errors that carry them. Every verb throws these errors. Only
// everpost.ts ends the process.

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notReachable: 69,
  tryAgain: 75,
  badConfiguration: 78,
} as const;

/** The command line is wrong. */
export class Usage extends Error {}
/** The instance or the stack did not answer. */
export class NotReachable extends Error {}
/** The configuration cannot work. */
export class BadConfiguration extends Error {}

/** An unknown word, as an error shows it: shortened. */
export function short(word: string): string {
  return word.length > WORD_MAX ? `${word.slice(0, WORD_MAX)}…` : word;
}
const WORD_MAX = 40;
