// Removes our secrets from the text of strangers: the whole secret, its encodings, and pieces that somebody cut off.
// Called for a server's answer to a login and for a token endpoint's answer. It never shortens other text.

const HIDDEN = '***';
/** A piece this long, in characters, is one of a secret and no accident. */
const PIECE = 12;
/** The characters of tokens and base64; the dots of a JWT separate its parts. */
const RUN = /[A-Za-z0-9+/_-]{12,}/g;

/** A secret in the forms in which it is repeated: as it is, in base64, in base64url, in a form's encoding. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const inForm = new URLSearchParams({ x: secret }).toString().slice(2); // more is escaped than in a URL
  const forms = [secret, bytes.toString('base64'), bytes.toString('base64url'), encodeURIComponent(secret), inForm];
  return [...new Set(forms)].filter((form) => form !== '');
}

/** `secrets` in all their forms. A run of characters that begins or ends with a piece of one is hidden whole. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const whole = secrets
    .toSorted((a, b) => b.length - a.length)
    .reduce((left, each) => left.replaceAll(each, HIDDEN), text);
  return whole.replace(RUN, (run) => {
    const pieces = [run.slice(0, PIECE), run.slice(-PIECE)];
    return secrets.some((secret) => pieces.some((piece) => secret.includes(piece))) ? HIDDEN : run;
  });
}
