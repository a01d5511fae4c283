// Says which DKIM signatures of a message verify (RFC 6376 §6.1), by mailauth, and where it is installed by dkimpy too.
// It knows nothing of Everpost and asks no DNS: the keys are given. What no key is given for has two digests all the
// same, of the signed fields and of the body: where these stay as they were, the signature is worth what it was.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';

/** TXT records by name. */
export type Zone = Readonly<Record<string, string>>;
export type Verified = {
  /** Its selector. */
  readonly name: string;
  readonly domain: string;
  /** `pass`, or what is wrong. */
  readonly result: string;
  /** What the signature is computed over, as it is in this message. */
  readonly over: string;
};

/** Of each signature, the topmost first. */
export async function verifySignatures(content: Uint8Array, zone: Zone): Promise<Verified[]> {
  const { results } = await dkimVerify(Buffer.from(content), { resolver: async (name) => recordOf(zone, name) });
  return results
    .filter(({ selector }) => selector !== undefined)
    .map(({ selector = '', signingDomain = '', status, bodyHash = '', signingHeaders }) => ({
      name: selector,
      domain: signingDomain,
      result: status.result === 'pass' ? 'pass' : `${status.result}: ${status.comment || 'no reason'}`,
      over: `${bodyHash} ${signingHeaders?.canonicalizedHeader ?? ''}`,
    }));
}

function recordOf(zone: Zone, name: string): string[][] {
  const record = zone[name];
  if (record === undefined) throw Object.assign(new Error(`no TXT record of ${name}`), { code: 'ENOTFOUND' });
  return [[record]];
}

const PYTHON = '/usr/bin/python3';
const SCRIPT = `
import dkim, json, re, sys
zone = json.load(open(sys.argv[1]))
for path in sys.argv[2:]:
    content = open(path, 'rb').read()
    found = []
    try:
        fields = dkim.DKIM(content).headers
    except dkim.MessageFormatError: # it reads no such header section
        fields = []
    for index, value in enumerate(v for k, v in fields if k.lower() == b'dkim-signature'):
        selector = dict(re.findall(rb'([a-z]+)\\s*=\\s*([^;]*)', value)).get(b's', b'').decode().strip()
        try:
            ok = dkim.DKIM(content).verify(idx=index, dnsfunc=lambda name, timeout=5: zone.get(name.decode().rstrip('.'), '').encode() or None)
            found.append([selector, 'pass' if ok else 'fail'])
        except Exception as error:
            found.append([selector, 'fail: %s' % error])
    print(json.dumps(found))
`;

/** Whether Debian's python3-dkim is installed. */
export async function hasDkimpy(): Promise<boolean> {
  return promisify(execFile)(PYTHON, ['-c', 'import dkim, nacl']).then(
    () => true,
    () => false,
  );
}

/** The same by dkimpy: of each message, selector and result of each signature. */
export async function verifyByDkimpy(contents: readonly Uint8Array[], zone: Zone): Promise<[string, string][][]> {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-dkim-'));
  try {
    const paths = contents.map((content, index) => {
      const path = join(folder, `${index}.eml`);
      writeFileSync(path, content);
      return path;
    });
    writeFileSync(join(folder, 'zone.json'), JSON.stringify(zone));
    const args = ['-c', SCRIPT, join(folder, 'zone.json'), ...paths];
    const { stdout } = await promisify(execFile)(PYTHON, args, { maxBuffer: 64 << 20 });
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
