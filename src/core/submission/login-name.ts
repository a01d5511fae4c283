// The user name of a failed login, made fit for a log. The gateway calls it. People type passwords in the place of the
// name, so it never shows the name whole. An operator who knows his clients still recognises the client.

const SHOWN_MAX = 3;

/** A quarter of its characters, three at most, and how many it has. */
export function loginNameShown(name: string): string {
  const characters = [...name];
  if (characters.length === 0) return '';
  const shown = characters.slice(0, Math.min(SHOWN_MAX, Math.floor(characters.length / 4))).join('');
  return `${shown}… (${characters.length} characters)`;
}
