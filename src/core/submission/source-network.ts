// Networks that identify a submitter without a login (`submitters.NAME.from`): CIDR notation of IPv4 and IPv6 (RFC
// 4632, RFC 4291 §2.3). The check of the configuration reads them, and the gateway looks addresses up in them. It
// decides nothing about mail, and resolves no name.

import { sourceV4BitsMin, sourceV6BitsMin } from '#core/limits.ts';

/** `bits`: how many of the address count. `value`: the address as a number, 0 below these bits. */
export type SourceNetwork = { readonly family: 4 | 6; readonly value: bigint; readonly bits: number };

export type NetworkReading =
  | { readonly kind: 'network'; readonly network: SourceNetwork; readonly text: string }
  /** The text is no network: `wrong` continues the sentence behind it; and what to write instead. */
  | { readonly kind: 'wrong'; readonly wrong: string; readonly write: string };

/** Networks that no stranger has an address in: any size is allowed. 100.64.0.0/10 is shared (RFC 6598): none. */
const PRIVATE = [
  '10.0.0.0/8', // RFC 1918
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8', // RFC 1122
  '169.254.0.0/16', // RFC 3927
  'fc00::/7', // RFC 4193
  'fe80::/10', // RFC 4291
  '::1/128',
].map((text) => {
  const [address = '', bits] = text.split('/');
  return { ...addressOf(address), bits: Number(bits) } as SourceNetwork;
});
const EXAMPLE = "a network such as '192.168.10.0/24' or '2001:db8:12:ab00::/56', or one address";

/** A network, or one address. Zones (`%eth0`) and IPv4-mapped addresses are refused: no client is seen under them. */
export function readSourceNetwork(text: string): NetworkReading {
  const [, given = '', digits] = /^([0-9A-Fa-f:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = addressOf(given);
  if (address === null) return { kind: 'wrong', wrong: 'is no network', write: EXAMPLE };
  const { family, value } = address;
  const width = widthOf(family);
  const bits = digits === undefined ? width : Number(digits);
  if (bits > width) return { kind: 'wrong', wrong: `has more than ${width} bits`, write: EXAMPLE };
  if (family === 6 && value >> 32n === 0xffffn)
    return { kind: 'wrong', wrong: 'is an IPv4 address within an IPv6 one', write: 'the IPv4 network itself' };
  const network = { family, bits, value: prefixOf(value, family, bits) };
  if (network.value !== value)
    return {
      kind: 'wrong',
      wrong: `goes on behind its ${bits} bits`,
      write: `'${textOf(network)}', or '${textOf({ family, value, bits: width })}' for that address alone`,
    };
  const least = family === 4 ? sourceV4BitsMin : sourceV6BitsMin;
  if (bits < least && !isPrivateNetwork(network))
    return {
      kind: 'wrong',
      wrong: 'is no private range and has addresses of strangers in it',
      // Of all addresses there is no such part to propose.
      write: bits === 0 ? EXAMPLE : `networks of at most /${least} such as '${textOf({ family, value, bits: least })}'`,
    };
  return { kind: 'network', network, text: textOf(network) };
}

/** Whether no stranger has an address in it. */
export function isPrivateNetwork(network: SourceNetwork): boolean {
  return PRIVATE.some((each) => holds(each, network));
}

/** Whether each address of `inner` is in `outer`. */
export function holds(outer: SourceNetwork, inner: SourceNetwork): boolean {
  if (outer.family !== inner.family || inner.bits < outer.bits) return false;
  return prefixOf(inner.value, inner.family, outer.bits) === outer.value;
}

/** A client's address as a network of its own; an IPv4-mapped one as IPv4. Null: it is no address. */
export function sourceAddress(text: string): SourceNetwork | null {
  const address = addressOf(text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/s, ''));
  return address === null ? null : { ...address, bits: widthOf(address.family) };
}

function addressOf(text: string): { readonly family: 4 | 6; readonly value: bigint } | null {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (v4 !== undefined) {
    if (v4.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return null; // 010 is octal to some
    return { family: 4, value: v4.reduce((sum, part) => (sum << 8n) + BigInt(part), 0n) };
  }
  // The URL parser knows RFC 4291 §2.2 and writes RFC 5952.
  if (!/^[\da-f:.]{2,45}$/i.test(text) || !text.includes(':') || !URL.canParse(`http://[${text}]/`)) return null;
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const groups = [...before, ...Array<bigint>(8 - before.length - after.length).fill(0n), ...after];
  return { family: 6, value: groups.reduce((sum, group) => (sum << 16n) + group, 0n) };
}

function groupsOf(text: string): bigint[] {
  return text === '' ? [] : text.split(':').map((group) => BigInt(`0x${group}`));
}

function widthOf(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

function prefixOf(value: bigint, family: 4 | 6, bits: number): bigint {
  const below = BigInt(widthOf(family) - bits);
  return (value >> below) << below;
}

function textOf({ family, value, bits }: SourceNetwork): string {
  const suffix = bits === widthOf(family) ? '' : `/${bits}`;
  if (family === 4) return `${[24n, 16n, 8n, 0n].map((at) => (value >> at) & 0xffn).join('.')}${suffix}`;
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return `${new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)}${suffix}`;
}
