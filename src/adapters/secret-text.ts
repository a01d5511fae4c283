// The text of a secret: one JSON object with the members that a login or a certificate needs. Used by every reader of
// secrets: Secrets Manager, files, and the check at the start of the local runtime. An error names the member and never
// quotes a value.

export type SecretMembers = Readonly<Record<string, unknown>>;

/** `what` follows the secret's name: `has no username`. */
export class SecretMistake extends Error {
  readonly what: string;
  constructor(what: string, secret?: string) {
    super(`${secret === undefined ? 'a secret' : `the secret ${secret}`} ${what}`);
    this.name = 'SecretMistake';
    this.what = what;
  }
}

/** The members. Throws SecretMistake where it is no JSON object. */
export function secretMembers(text: string): SecretMembers {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, '')); // an editor's byte order mark
  } catch {
    throw new SecretMistake('is not JSON'); // a parser's message would quote the secret
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SecretMistake('is JSON, but no object');
  return value as SecretMembers;
}

/** The text of a member. Throws SecretMistake where it is missing, empty or no text. `path` is its name in messages. */
export function textIn(members: SecretMembers, name: string, path = name): string {
  const value = Object.hasOwn(members, name) ? members[name] : undefined;
  if (value === undefined || value === null) throw new SecretMistake(`has no ${path}`);
  if (typeof value !== 'string') throw new SecretMistake(`has a ${path} that is no text`);
  if (value === '') throw new SecretMistake(`has an empty ${path}`);
  return value;
}

export type Password = { readonly username: string; readonly password: string };

/** `{"username": …, "password": …}`. */
export function passwordIn(members: SecretMembers): Password {
  return { username: textIn(members, 'username'), password: textIn(members, 'password') };
}
