// Exit codes (sysexits.h where it has one) and the errors that carry them.
// Nothing here ends the process: that is everpost.ts's alone.

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notReachable: 69,
  tryAgain: 75,
  badConfiguration: 78,
} as const;

/** The call's words are off. */
export class Usage extends Error {}
/** The instance or the stack did not answer. */
export class NotReachable extends Error {}
/** What was configured cannot work. */
export class BadConfiguration extends Error {}

/** A word that means nothing, as an error shows it: not at length. */
export function short(word: string): string {
  return word.length > WORD_MAX ? `${word.slice(0, WORD_MAX)}…` : word;
}
const WORD_MAX = 40;
