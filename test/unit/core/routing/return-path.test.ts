// Return paths: tokens, and SRS as others have it. The addresses of the first table are those that postsrsd's own tests
// expect of the secret `tops3cr3t` on 1 January 2020, with four characters of the hash; ours have eight, of which they
// are the first.

import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { srsDaysMax } from '#core/limits.ts';
import { type Mailbox, parseMailbox } from '#core/message/address.ts';
import {
  comesBack,
  readSrs,
  returnAddressOf,
  returnPathFor,
  type Srs,
  srsAddress,
  tokenAddress,
  tokenOf,
} from '#core/routing/return-path.ts';

const DAY = Date.UTC(2020, 0, 1) / 86_400_000;
const srs: Srs = { returnPathDomain: 'example.com', secrets: ['tops3cr3t'], day: DAY };
const box = (address: string): Mailbox => {
  const mailbox = parseMailbox(address);
  if (mailbox === null) throw new Error(`no mailbox: ${address}`);
  return mailbox;
};
const made = (address: string, change: Partial<Srs> = {}) => srsAddress(box(address), { ...srs, ...change });
const localPartOf = (address: string) => box(address).localPart;
const read = (localPart: string, change: Partial<Srs> = {}) => readSrs(localPart, { ...srs, ...change });

/** The same address as it was made before: the hash over its parts without a separator, as postsrsd has it. */
function formerly(address: string): string {
  const [, kind = '', , rest = ''] = /^(SRS[01])=([^=]+)=(.*)@[^@]*$/.exec(address) ?? [];
  const parts = kind === 'SRS0' ? rest.split('=').slice(0, 2) : rest.split('=').slice(0, 1);
  const last = rest.slice(parts.join('=').length + 1);
  const hmac = createHmac('sha1', 'tops3cr3t').update([...parts, last].join('').toLowerCase());
  return `${kind}=${hmac.digest('base64url').slice(0, 8)}=${rest}@example.com`;
}

describe('SRS', () => {
  it.each([
    ['test@otherdomain.com', 0, /^SRS0=vmyz.{4}=2W=otherdomain\.com=test@example\.com$/],
    ['test@otherdomain.com', -1, /^SRS0=XjO9.{4}=2V=otherdomain\.com=test@example\.com$/],
    ['SRS0=opaque+string@otherdomain.com', 0, /^SRS1=chaI.{4}=otherdomain\.com==opaque\+string@example\.com$/],
    [
      'SRS1=X=thirddomain.com==opaque+string@otherdomain.com',
      0,
      /^SRS1=JIBX.{4}=thirddomain\.com==opaque\+string@example\.com$/,
    ],
  ])('%s, %i days on, becomes what others make of it but for the hash, whose parts have a separator', (...given) => {
    const [address, days, expected] = given;
    const ours = made(address, { day: DAY + days }) ?? '';
    expect(ours).not.toMatch(expected);
    expect(ours.replace(/^(SRS[01]=)[^=]{4}/, `$1${expected.source.slice(6, 10)}`)).toMatch(expected);
    expect(formerly(ours)).toMatch(expected);
  });

  it.each([
    ['ann@src.example', 'ann@src.example'],
    ['SRS0=opaque=x@far.example', 'SRS0=opaque=x@far.example'],
    ['SRS0+opaque=x@far.example', 'SRS0+opaque=x@far.example'],
    ['SRS1=aa=first.example==HHH=TT=a=b@far.example', 'SRS0=HHH=TT=a=b@first.example'],
  ])('an address of before, without a separator in its hash, still leads back: %s', (address, back) => {
    const former = localPartOf(formerly(made(address) ?? ''));
    expect(read(former)).toMatchObject({ kind: 'sender', reversePath: { address: back } });
    expect(read(former, { secrets: ['new'] })?.kind).toBe('forged');
  });

  it('where a former hash could mean another host as well, it counts for none', () => {
    const former = localPartOf(formerly(made('SRS0-opaque@far-away.example') ?? ''));
    expect(read(former)?.kind).toBe('forged');
    // The same text, cut elsewhere.
    const [, given = ''] = former.split('=');
    expect(read(`SRS1=${given}=far=-away.exampleSRS0-opaque`)?.kind).toBe('forged');
  });

  it('a hash stands for its own parts, and no others that read alike', () => {
    const localPart = localPartOf(made('mbob@victim.co') ?? '');
    expect(read(localPart)?.kind).toBe('sender');
    expect(read(localPart.replace('=victim.co=mbob', '=victim.com=bob'))?.kind).toBe('forged');
  });

  it.each([
    ['ann@src.example', 'ann@src.example'],
    ['Ann.O+x=y@Src.Example', 'Ann.O+x=y@src.example'],
    ['SRS0+opaque=x@far.example', 'SRS0+opaque=x@far.example'],
    ['SRS0-opaque@far.example', 'SRS0-opaque@far.example'],
    ['SRS1=aa=first.example==HHH=TT=a=b@far.example', 'SRS0=HHH=TT=a=b@first.example'],
  ])('%s leads back to %s, whatever became of its case', (address, back) => {
    const localPart = localPartOf(made(address) ?? '');
    expect(read(localPart)).toMatchObject({ kind: 'sender', reversePath: { address: back } });
    for (const changed of [localPart.toLowerCase(), localPart.toUpperCase()]) {
      const reading = read(changed);
      expect(reading?.kind === 'sender' && reading.reversePath.address.toLowerCase()).toBe(back.toLowerCase());
    }
    expect(read(localPart.replace(/^(SRS[01])=/, '$1+'))).toMatchObject({ kind: 'sender' });
    expect(read(localPart.replace(/^(SRS[01])=/, '$1-'))).toMatchObject({ kind: 'sender' });
  });

  it('is good for three weeks, over the turn of its ten bits of days too', () => {
    for (const day of [DAY, 1024 * 20 - 3, 1024 * 20]) {
      const localPart = localPartOf(made('ann@src.example', { day }) ?? '');
      for (const later of [-1, 0, 1, srsDaysMax])
        expect([later, read(localPart, { day: day + later })?.kind]).toEqual([later, 'sender']);
      for (const later of [srsDaysMax + 1, 100, 1_000])
        expect([later, read(localPart, { day: day + later })?.kind]).toEqual([later, 'expired']);
    }
  });

  it('is signed with the first secret and accepted by any', () => {
    const localPart = localPartOf(made('ann@src.example') ?? '');
    expect(read(localPart, { secrets: ['new', 'tops3cr3t'] })?.kind).toBe('sender');
    expect(read(localPart, { secrets: ['new'] })?.kind).toBe('forged');
    expect(read(localPart, { secrets: [] })?.kind).toBe('forged');
    expect(made('ann@src.example', { secrets: ['new', 'tops3cr3t'] })).not.toBe(made('ann@src.example'));
  });

  it('cannot be changed in any character that counts, nor made without the secret', () => {
    const localPart = localPartOf(made('ann@src.example') ?? '');
    for (let at = 5; at < localPart.length; at += 1) {
      const other = localPart[at]?.toLowerCase() === 'x' ? 'y' : 'x';
      const forged = localPart.slice(0, at) + other + localPart.slice(at + 1);
      expect([forged, read(forged)?.kind ?? 'forged']).toEqual([forged, 'forged']);
    }
    for (const forged of [
      'SRS0=',
      'SRS0=a',
      'SRS0==2W=src.example=ann',
      'SRS0=vmyz=2W=otherdomain.com=test',
      'SRS1==a==b',
      'SRS1=chaI=otherdomain.com==opaque+string',
    ])
      expect([forged, read(forged)?.kind]).toEqual([forged, 'forged']);
    expect(read('ann')).toBeNull();
    expect(read('srs0ann')).toBeNull();
  });

  it('does not stand for what does not fit, has no name or no ASCII form', () => {
    expect(made(`${'a'.repeat(35)}@src.example`)).not.toBeNull();
    expect(made(`${'a'.repeat(36)}@src.example`)).toBeNull();
    expect(made('ann@[192.0.2.1]')).toBeNull();
    expect(made('j\u00fcrgen@src.example')).toBeNull();
    expect(made('"a b"@src.example')).toBeNull();
    expect(made('ann@src.example', { secrets: [] })).toBeNull();
  });
});

describe('tokens', () => {
  it('are the same for one delivery, others for others, and nobody makes one without the key', () => {
    const tokens = new Set(Array.from({ length: 2_000 }, (_, at) => tokenOf('key', `m${at}-k`)));
    expect(tokens.size).toBe(2_000);
    for (const token of tokens) expect(token).toMatch(/^[a-z2-7]{26}$/);
    expect(tokenOf('key', 'm1-k')).toBe(tokenOf('key', 'm1-k'));
    expect(tokenOf('other', 'm1-k')).not.toBe(tokenOf('key', 'm1-k'));
    // Every place has every letter: no bit of the digest is left out or used twice.
    for (let at = 0; at < 26; at += 1)
      expect(new Set([...tokens].map((token) => token[at])).size).toBe(at === 0 ? 32 : 32);
  });
  it('are known by their address, in any case', () => {
    const token = tokenOf('key', 'm1-k');
    const address = tokenAddress(token, 'bounces.example.com');
    expect(address.split('@')[0]?.length).toBeLessThanOrEqual(64);
    expect(returnAddressOf(box(address))).toEqual({ kind: 'token', token });
    expect(returnAddressOf(box(address.toUpperCase()))).toEqual({ kind: 'token', token });
    expect(returnAddressOf(box(`x${address}`))).toEqual({ kind: 'other' });
    expect(returnAddressOf(box('srs1-x@bounces.example.com'))).toEqual({ kind: 'srs' });
  });
});

describe('which one', () => {
  const given = { ownDomains: ['example.com'], srs };
  it.each([
    ['keep', 'ann@src.example', 'keep'],
    ['token', 'ann@src.example', 'token'],
    ['token', 'ann@example.com', 'token'],
    ['srs', 'ann@src.example', 'srs'],
    ['srs', 'ann@example.com', 'keep'],
    ['srs', `${'a'.repeat(60)}@src.example`, 'token'],
  ] as const)('%s, %s: %s', (mode, sender, kind) => {
    expect(returnPathFor(mode, box(sender), given).kind).toBe(kind);
  });
  it('is never another one for the null reverse-path', () => {
    for (const mode of ['keep', 'token', 'srs'] as const)
      expect(returnPathFor(mode, null, given)).toEqual({ kind: 'keep' });
  });
});

describe('what comes back', () => {
  const settings = { returnPathDomain: 'bounces.example.com', notices: { from: 'Notices@example.com' } };
  it.each([
    ['b+x@bounces.example.com', 'ann@src.example', null, true, true],
    ['joe@Bounces.Example.com', 'ann@src.example', null, true, true],
    ['notices@example.com', '', null, true, true],
    ['notices@example.com', 'ann@src.example', 'auto-replied', true, true],
    ['notices@example.com', 'ann@src.example', 'no', true, false],
    ['notices@example.com', 'ann@src.example', null, true, false],
    ['notices@example.com', 'ann@src.example', null, false, true],
    ['bob@example.com', '', null, true, false],
    ['b+x@sub.bounces.example.com', '', null, true, false],
  ])('%s from <%s>, Auto-Submitted %s, routed %s: %s', (address, reversePath, autoSubmitted, routed, expected) => {
    expect(comesBack(box(address), settings, { reversePath, autoSubmitted, routed })).toBe(expected);
  });
});
