// Makes strangers' text fit for a terminal. It shows as an escape each character that moves the cursor, starts a
// terminal command, turns the direction of the line or is invisible. It leaves nothing out and keeps all visible
// characters.

/**
 * Cc: controls, C1 and DEL among them. Cf: bidirectional and other format characters (UAX #9, UTS #39), zero width
 * among them. Zl, Zp: line ends. Cs: half characters. The rest is seen as nothing, though Unicode calls it a letter or
 * a mark.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\ufffc]/gu;

/** One line: a line end is shown as its escape too. */
export function printable(text: string): string {
  return text.replace(UNSEEN, escaped);
}

/** The same for text of several lines that we laid out: their ends stay. */
export function printableLines(text: string): string {
  return text.replace(UNSEEN, (it) => (it === '\n' ? it : escaped(it)));
}

/**
 * The same for JSON: it stays JSON, with the same meaning. Outside of texts JSON has no such character but white space.
 */
export function printableJson(json: string): string {
  return json.replace(UNSEEN, (it) => (/[\n\r\t]/.test(it) ? it : units(it)));
}

/** As JavaScript and JSON write it: \u202e. Three of the known ones are shorter. */
function escaped(character: string): string {
  return SHORT[character] ?? units(character);
}
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function units(character: string): string {
  let shown = '';
  for (let at = 0; at < character.length; at += 1)
    shown += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  return shown;
}
