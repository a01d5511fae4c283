// Decides which address lists SES takes in From, Sender, Reply-To, To, Cc and Bcc. Called by raw-message.ts. SES
// refuses the whole message for a list that it cannot read (docs/aws-contracts.md §2.4, no. 3). Public reports of its
// refusals have the words of JavaMail's strict InternetAddress, so this file reads as that class does, in one pass. It
// shares nothing with core/message/authors.ts and core/message/ses-edit.ts, which it judges.

const WHITE = /[\s\x7f]/;
const ILLEGAL_LOCAL = '()<>,;:\\"[]@';

/** Why SES refuses the field, in its words; null where it takes it. An empty field has no address, and is taken. */
export function addressListFault(value: string): string | null {
  try {
    readList(value);
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

class Fault extends Error {}

/** One entry of the list, as far as it is read: the text outside angle brackets, and the text in them. */
class ListReader {
  private text = '';
  private route: string | null = null;
  private inGroup = false;
  private readonly value: string;

  constructor(value: string) {
    this.value = value;
  }

  /** Reads the element that begins at `at`; returns its end. */
  take(at: number): number {
    const character = this.value[at] ?? '';
    if (character === '(') return commentEnd(this.value, at);
    if (character === ')') throw new Fault("Missing '('");
    if (character === '"') return this.keep(at, quoteEnd(this.value, at));
    if (character === '<') return this.takeRoute(at, routeEnd(this.value, at));
    if (character === '>') throw new Fault("Missing '<'");
    if (character === '[') return this.keep(at, literalEnd(this.value, at));
    if (character === ':') return this.beginGroup(at);
    if (character === ';' && !this.inGroup) throw new Fault('Illegal semicolon, not in group');
    if (character === ';') this.inGroup = false;
    if (character !== ',' && character !== ';') return this.keep(at, at);
    this.endEntry();
    return at;
  }

  end(): void {
    if (this.inGroup) throw new Fault("Missing ';'");
    this.endEntry();
  }

  private keep(start: number, end: number): number {
    this.text += this.value.slice(start, end + 1);
    return end;
  }

  private takeRoute(start: number, end: number): number {
    if (this.route !== null) throw new Fault('Extra route-addr');
    this.route = this.value.slice(start + 1, end).trim();
    if (this.route === '') throw new Fault('Empty address');
    return end;
  }

  /** The text so far is the group's name. */
  private beginGroup(at: number): number {
    if (this.inGroup) throw new Fault('Nested group');
    this.inGroup = true;
    this.text = '';
    return at;
  }

  private endEntry(): void {
    const address = this.route ?? this.text.trim();
    if (address !== '') demandAddress(address);
    this.text = '';
    this.route = null;
  }
}

function readList(value: string): void {
  const reader = new ListReader(value);
  for (let at = 0; at < value.length; at += 1) at = reader.take(at);
  reader.end();
}

function literalEnd(value: string, start: number): number {
  const end = value.indexOf(']', start);
  if (end === -1) throw new Fault("Missing ']'");
  return end;
}

/** Where the comment that begins at `start` ends. Comments nest. */
function commentEnd(value: string, start: number): number {
  let depth = 0;
  for (let at = start; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === '(') depth += 1;
    else if (value[at] === ')') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  throw new Fault("Missing ')'");
}

function quoteEnd(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === '"') return at;
  }
  throw new Fault("Missing '\"'");
}

/** A second `<` is part of the address, which then is none. */
function routeEnd(value: string, start: number): number {
  let quoted = false;
  for (let at = start + 1; at < value.length; at += 1) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === '"') quoted = !quoted;
    else if (value[at] === '>' && !quoted) return at;
  }
  throw new Fault(quoted ? "Missing '\"'" : "Missing '>'");
}

function demandAddress(address: string): void {
  const at = demandLocalPart(withoutRoute(address));
  demandDomain(withoutRoute(address).slice(at + 1));
}

/** `@a,@b:c@d` is c@d by way of a and b. */
function withoutRoute(address: string): string {
  if (!address.startsWith('@')) return address;
  const colon = address.indexOf(':');
  if (colon === -1) throw new Fault('Missing local name');
  if (
    address
      .slice(0, colon)
      .split(',')
      .some((hop) => !hop.startsWith('@'))
  )
    throw new Fault('Illegal route-addr');
  return address.slice(colon + 1);
}

/** Where its `@` is. */
function demandLocalPart(address: string): number {
  let quoted = false;
  let last = '';
  for (let at = 0; at < address.length; at += 1) {
    const character = address[at] ?? '';
    if (character === '\\') at += 1;
    else if (character === '"') {
      if (!quoted && at !== 0) throw new Fault('Quote not at start of local address');
      if (quoted && at + 1 < address.length && address[at + 1] !== '@')
        throw new Fault('Quote not at end of local address');
      quoted = !quoted;
    } else if (!quoted) {
      if (character === '@') {
        if (at === 0) throw new Fault('Missing local name');
        if (last === '.') throw new Fault('Local address ends with dot');
        return at;
      }
      demandLocalCharacter(character, last, at);
    }
    last = character;
  }
  throw new Fault(quoted ? 'Unterminated quote' : "Missing final '@domain'");
}

function demandLocalCharacter(character: string, last: string, at: number): void {
  if (character === '.' && at === 0) throw new Fault('Local address starts with dot');
  if (character === '.' && last === '.') throw new Fault('Local address contains dot-dot');
  if (character <= ' ' || WHITE.test(character)) throw new Fault('Local address contains control or whitespace');
  // SES takes ASCII alone (§2.2).
  if (ILLEGAL_LOCAL.includes(character) || character > '~') throw new Fault('Local address contains illegal character');
}

function demandDomain(domain: string): void {
  if (domain === '') throw new Fault('Missing domain');
  if (domain.startsWith('[')) {
    if (domain.indexOf(']') !== domain.length - 1) throw new Fault('Domain literal end not at end of domain');
    return;
  }
  if (domain.startsWith('.')) throw new Fault('Domain starts with dot');
  for (const character of domain) {
    if (character <= ' ' || WHITE.test(character)) throw new Fault('Domain contains control or whitespace');
    if (!/[A-Za-z0-9.-]/.test(character)) throw new Fault('Domain contains illegal character');
  }
  if (domain.includes('..')) throw new Fault('Domain contains dot-dot');
  if (domain.endsWith('.')) throw new Fault('Domain ends with dot');
}
