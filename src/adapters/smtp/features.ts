// The extensions that a server announces in its answer to EHLO (RFC 5321 §4.1.1.1), as servers write them. Called by
// opening.ts. Keywords are in upper case. A line that is no keyword is kept, and no caller asks for it.

/**
 * Each keyword with its parameters. AUTH may be announced by several lines, `AUTH=LOGIN` of old servers among them: all
 * of them count.
 */
export function featuresOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const features = new Map<string, string>();
  const mechanisms: string[] = [];
  for (const line of lines.slice(1)) {
    const match = /^([^ \t=]+)[ \t=]*(.*)$/su.exec(line);
    if (match === null) continue;
    const [, keyword = '', rest = ''] = match;
    const name = keyword.toUpperCase();
    if (name === 'AUTH') mechanisms.push(rest.trim());
    else features.set(name, rest.trim());
  }
  if (mechanisms.length > 0) features.set('AUTH', mechanisms.join(' ').trim());
  return features;
}
