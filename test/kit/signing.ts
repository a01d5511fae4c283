// DKIM signatures (RFC 6376) of test messages: keys that are made at each start, and the kinds of signatures that
// differ in what a relay can break. The signer is mailauth's, but for one that names fields which are not there.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';

export type Kind = {
  /** Its selector. */
  readonly name: string;
  readonly algorithm: 'rsa' | 'ed25519';
  /** Of header section and body. */
  readonly canonicalization: string;
  /** What is signed where it is there; absent: `USUAL`. */
  readonly fields?: readonly string[];
  /** The octets of the body that are signed (l=). */
  readonly bodyOctets?: number;
  /** Also signs that there is no second one (RFC 6376 §5.4.2). */
  readonly once?: readonly string[];
};
export type Signer = {
  readonly domain: string;
  /** TXT records by name. */
  readonly zone: Readonly<Record<string, string>>;
  /** The message with a signature of each kind on top, the first kind topmost. */
  signed(content: Buffer, kinds: readonly Kind[]): Promise<Buffer>;
};

const USUAL = [
  ...['From', 'Sender', 'Reply-To', 'To', 'Cc', 'Subject', 'Date', 'Message-ID', 'In-Reply-To', 'References'],
  ...['MIME-Version', 'Content-Type', 'Content-Transfer-Encoding', 'List-Id', 'List-Unsubscribe', 'List-Post'],
];

/** As signers in use sign. */
export const usualKinds: readonly Kind[] = [
  { name: 'simple', algorithm: 'rsa', canonicalization: 'simple/simple' },
  { name: 'relaxed', algorithm: 'rsa', canonicalization: 'relaxed/relaxed' },
  { name: 'ed25519', algorithm: 'ed25519', canonicalization: 'relaxed/simple' },
  { name: 'length', algorithm: 'rsa', canonicalization: 'simple/relaxed', bodyOctets: 20 },
  {
    ...{ name: 'once', algorithm: 'rsa', canonicalization: 'relaxed/relaxed', fields: USUAL },
    once: ['From', 'To', 'Subject', 'Date', 'Message-ID', 'Content-Type'],
  },
];

export function makeSigner(domain: string): Signer {
  const keys = {
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ed25519: generateKeyPairSync('ed25519'),
  };
  const published = {
    rsa: keys.rsa.publicKey.export({ type: 'spki', format: 'der' }),
    ed25519: keys.ed25519.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32), // RFC 8463 §4.2: the key alone
  };
  return {
    domain,
    zone: zoneOf(domain, published),
    async signed(content, kinds) {
      const fields: string[] = [];
      for (const kind of kinds) fields.push(await fieldOf(content, kind, domain, keys[kind.algorithm].privateKey));
      return Buffer.concat([Buffer.from(fields.join(''), 'latin1'), content]);
    },
  };
}

/** Each algorithm has one key, under the names of all kinds. */
function zoneOf(domain: string, published: Readonly<Record<Kind['algorithm'], Buffer>>): Record<string, string> {
  const record = (algorithm: Kind['algorithm']) =>
    `v=DKIM1; k=${algorithm}; p=${published[algorithm].toString('base64')}`;
  const names = usualKinds.map(({ name, algorithm }) => [`${name}._domainkey.${domain}`, record(algorithm)] as const);
  return Object.fromEntries([...names, [`other._domainkey.${domain}`, record('rsa')]]);
}

async function fieldOf(content: Buffer, kind: Kind, domain: string, privateKey: KeyObject): Promise<string> {
  const { name, canonicalization, fields = USUAL, bodyOctets, once } = kind;
  const { signatures, errors } = await dkimSign(content, {
    canonicalization,
    signingDomain: domain,
    selector: name,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    signatureData: [
      {
        signingDomain: domain,
        selector: name,
        privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        headerList: [...fields],
        ...(bodyOctets === undefined ? {} : { maxBodyLength: bodyOctets }),
      },
    ],
  });
  const [error] = errors ?? [];
  if (error !== undefined) throw error.err;
  return once === undefined ? signatures : withOnce(signatures, kind, domain, content, privateKey);
}

/**
 * Another signature of the same, whose h= names each of `once` one time more than the message has it. By relaxed
 * canonicalization (RFC 6376 §3.4.2) what is not there adds nothing but the name in h=.
 */
function withOnce(field: string, kind: Kind, domain: string, content: Buffer, privateKey: KeyObject): string {
  const tag = (name: string) => new RegExp(`\\b${name}=([^;]*);`).exec(field)?.[1]?.replace(/\s/g, '') ?? '';
  const names = [...tag('h').split(':'), ...(kind.once ?? [])];
  const own =
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain};\r\n s=${kind.name}; ` +
    `h=${names.join(':\r\n ')};\r\n bh=${tag('bh')};\r\n b=`;
  const left = fieldsOf(content);
  const chosen = names.flatMap((name) => {
    const at = left.findLastIndex(
      (each) => each.slice(0, each.indexOf(':')).trim().toLowerCase() === name.toLowerCase(),
    );
    return at === -1 ? [] : left.splice(at, 1).map((each) => `${relaxed(each)}\r\n`);
  });
  const input = Buffer.from(chosen.join('') + relaxed(own), 'latin1');
  const value = sign('sha256', input, privateKey).toString('base64');
  return `${own}${value.replace(/.{70}/g, '$&\r\n ')}\r\n`;
}

function fieldsOf(content: Buffer): string[] {
  const end = content.indexOf('\r\n\r\n');
  const section = content.toString('latin1', 0, end === -1 ? content.length : end);
  return section.split(/\r\n(?![ \t])/);
}

function relaxed(field: string): string {
  const colon = field.indexOf(':');
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ');
  return `${field.slice(0, colon).trim().toLowerCase()}:${value.replace(/^ | $/g, '')}`;
}
