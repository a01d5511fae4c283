// Reads the paths and parameters of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531). Called by inbound-smtp.ts. An address is
// kept exactly as sent. It shares nothing with the product's parser: an emulator with the product's bugs would hide
// them.

const PATH_BYTES_MAX = 320; // RFC 5321 §4.5.3.1.1 and .2 allow 64 + 1 + 255 octets; §4.5.3.1.3's 256 is often exceeded
const QUOTED = /^"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"$/;
const ATOMS = /^[^\x00-\x20\x7f"(),:;<>@[\\\]]+$/;
const NAME = /^[^\x00-\x20\x7f"(),:;<>@[\\\].]+(?:\.[^\x00-\x20\x7f"(),:;<>@[\\\].]+)*$/;
const LITERAL = /^\[[^\x00-\x20\x7f[\\\]]+\]$/;

export type ReadPath = { readonly address: string; readonly parameters: ReadonlyMap<string, string> };

/**
 * The text after `FROM:` or `TO:`; null where it is no path. `<>` has the address ''. A source route is dropped
 * (appendix C).
 */
export function readPath(text: string): ReadPath | null {
  const trimmed = text.trimStart();
  if (!trimmed.startsWith('<')) return null;
  const end = closing(trimmed);
  if (end < 0 || Buffer.byteLength(trimmed.slice(0, end)) > PATH_BYTES_MAX) return null;
  const address = trimmed.slice(1, end).replace(/^@[^\s,:@]+(?:,@[^\s,:@]+)*:/, '');
  const after = trimmed.slice(end + 1);
  if (after !== '' && !after.startsWith(' ')) return null;
  if (address !== '' && !isMailbox(address) && address.toLowerCase() !== 'postmaster') return null;
  const parameters = new Map<string, string>();
  for (const parameter of after.split(' ').filter((part) => part !== '')) {
    const equals = parameter.indexOf('=');
    parameters.set(
      parameter.slice(0, equals < 0 ? undefined : equals).toUpperCase(),
      equals < 0 ? '' : parameter.slice(equals + 1),
    );
  }
  return { address, parameters };
}

/** The '>' that is not inside a quoted string. */
function closing(text: string): number {
  let quoted = false;
  for (let i = 1; i < text.length; i += 1) {
    const character = text[i];
    if (quoted && character === '\\') i += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === '>' && !quoted) return i;
  }
  return -1;
}

function isMailbox(address: string): boolean {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (address.includes('\ufffd')) return false; // bytes that were not UTF-8 (RFC 6531 §3.3)
  return at > 0 && (ATOMS.test(local) || QUOTED.test(local)) && (NAME.test(domain) || LITERAL.test(domain));
}
