// Messages made by chance from a seed: trees of parts whose lines are often too long, with the disorder of real mail.
// For tests of what is done to their lines. The same seed makes the same message.

const WORDS = [
  'hello',
  '--b',
  '=',
  '=3D',
  '.',
  'From me',
  '\xfc',
  '\xff\xfe',
  'a',
  '\t',
  '  ',
  '--',
  'x'.repeat(70),
  '<b>',
  '&',
  ',',
  '--b1--',
];
const BOUNDARIES = ['b', 'b1', 'b12', 'bb', '----=_Part_1', '=_x y'];
const DEPTH_MAX = 4;

export function mimeTree(seed: number): Buffer {
  const tree = new Tree(seed);
  return Buffer.from(tree.message(), 'latin1');
}

class Tree {
  private state: number;
  private readonly lineEnd: string;

  constructor(seed: number) {
    this.state = (seed * 7_919 + 1) % 2_147_483_648;
    this.lineEnd = this.next(4) > 0 ? '\r\n' : '\n';
  }

  message(): string {
    return (
      this.fields('From: ann@src.example', 'To: bob@example.com', 'Subject: s', 'MIME-Version: 1.0') + this.entity(0)
    );
  }

  private entity(depth: number): string {
    const kind = this.next(10);
    if (depth < DEPTH_MAX && kind < 4) return this.multipart(depth);
    if (depth > 0 && depth < DEPTH_MAX && kind === 4)
      return `${this.fields('Content-Type: message/rfc822', '', 'Subject: inner', 'From: carl@src.example')}${this.entity(depth + 1)}`;
    return this.leaf();
  }

  private multipart(depth: number): string {
    const boundary = `${this.pick(BOUNDARIES)}${depth}`;
    const subtype = this.pick(['mixed', 'alternative', 'related', 'mixed']);
    let out = this.fields(
      `Content-Type: multipart/${subtype}; boundary="${boundary}"`,
      ...(this.next(5) > 0 ? [] : ['Content-Transfer-Encoding: 8bit']),
      '',
    );
    if (this.next(3) === 0) out += this.fields(this.next(2) > 0 ? 'preamble' : this.around());
    for (let left = 1 + this.next(3); left > 0; left -= 1)
      out += this.fields(`--${boundary}${this.next(6) > 0 ? '' : '  '}`) + this.fields(this.entity(depth + 1));
    if (depth === 0 && this.next(8) === 0) return out;
    return `${out}--${boundary}--${this.next(4) > 0 ? '' : `${this.lineEnd}${this.around()}`}`;
  }

  private leaf(): string {
    const kind = this.next(9);
    if (kind < 3) {
      const charset = this.pick(['utf-8', 'iso-8859-1', 'us-ascii']);
      const text = this.text(charset === 'us-ascii');
      const encoding = this.pick(['7bit', '8bit', 'binary', '8BIT']);
      return this.part(
        [
          `Content-Type: ${this.pick(['text/plain', 'text/html'])}; charset=${charset}`,
          `Content-Transfer-Encoding: ${encoding}`,
        ],
        charset === 'utf-8' ? Buffer.from(text, 'utf8').toString('latin1') : text,
      );
    }
    if (kind === 3) return this.part(this.next(2) > 0 ? [] : ['X-Field: alone'], this.text(true));
    if (kind === 4) {
      const octets = Buffer.from(Array.from({ length: this.next(3_000) }, () => this.next(256))).toString('base64');
      const encoded = this.next(2) > 0 ? octets : octets.replace(/.{76}/g, `$&${this.lineEnd}`);
      return this.part(
        ['Content-Type: application/octet-stream; name=a', 'Content-Transfer-Encoding: base64'],
        encoded,
      );
    }
    if (kind === 5) {
      const encoding = this.pick(['8bit', 'binary']);
      return this.part(
        [`Content-Type: application/${this.pick(['pdf', 'json'])}`, `Content-Transfer-Encoding: ${encoding}`],
        this.text(false),
      );
    }
    if (kind === 6) {
      const quoted = this.text(false)
        .replace(/[=\x80-\xff]/g, (char) => `=${char.charCodeAt(0).toString(16).toUpperCase()}`)
        .replace(/[ \t]+(?=\r?\n|$)/g, '');
      return this.part(
        ['Content-Type: text/plain; charset=iso-8859-1', 'Content-Transfer-Encoding: quoted-printable'],
        quoted,
      );
    }
    if (kind === 7)
      return this.part(
        [`Content-Type: ${this.pick(['text', 'garbage', 'text/plain/x', '; charset=x'])}`],
        this.text(true),
      );
    return this.part(
      [`X-Long: ${this.around()}`, 'Content-Type: text/csv', 'Content-Disposition: attachment; filename=a.csv'],
      this.text(true),
    );
  }

  private part(fields: readonly string[], body: string): string {
    return this.fields(...fields, '') + body;
  }
  private fields(...lines: readonly string[]): string {
    return lines.map((line) => `${line}${this.lineEnd}`).join('');
  }
  private text(isAscii: boolean): string {
    const lines = Array.from({ length: 1 + this.next(6) }, () => this.line(this.next(4) === 0).replace(/^--/, 'x--'));
    const text = lines.join(this.lineEnd) + (this.next(2) > 0 ? this.lineEnd : '');
    return isAscii ? text.replace(/[^\x00-\x7f]/g, 'u') : text;
  }
  private around(): string {
    return this.line(this.next(2) === 0)
      .replace(/^-+/, '')
      .replace(/[^\x20-\x7e]/g, 'u');
  }
  private line(isLong: boolean): string {
    let line = '';
    for (const wanted = isLong ? 1_000 + this.next(1_500) : this.next(120); line.length < wanted; )
      line += this.pick(WORDS) + (this.next(3) > 0 ? ' ' : '');
    return line;
  }
  private pick<T>(from: readonly T[]): T {
    return from[this.next(from.length)] as T;
  }
  private next(below: number): number {
    this.state = (this.state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((this.state / 2_147_483_648) * below);
  }
}
