// A name that somebody typed at a login that failed, fit for a log: people type passwords where the name belongs, so it
// is never shown whole. An operator who knows his clients still knows which one it is.

const SHOWN_MAX = 3;

/** A quarter of its characters, three at most, and how many it has. */
export function loginNameShown(name: string): string {
  const characters = [...name];
  if (characters.length === 0) return '';
  const shown = characters.slice(0, Math.min(SHOWN_MAX, Math.floor(characters.length / 4))).join('');
  return `${shown}… (${characters.length} characters)`;
}
