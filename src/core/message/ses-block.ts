// Tells the fields that SES puts above a message which it received (docs/aws-contracts.md §1.7) from those that came
// with the message. removed-fields.ts calls it with the name of each field, from the top. It knows SES's fields by
// their place alone: nobody can write above them.

/** SES writes these last. A field below one of them, but for the other, came with the message. */
const CLOSING: ReadonlySet<string> = new Set(['x-ses-receipt', 'x-ses-dkim-signature']);
const BETWEEN: ReadonlySet<string> = new Set([
  'x-ses-spam-verdict',
  'x-ses-virus-verdict',
  'received-spf',
  'authentication-results',
]);

export class SesBlock {
  private readonly seen = new Set<string>();
  private open = true;

  /** Whether the next field is SES's own; `name` in lower case. The first one that is not ends the block. */
  takes(name: string): boolean {
    this.open &&= this.fits(name);
    if (this.open) this.seen.add(name);
    return this.open;
  }

  /** A line that is no field. */
  end(): void {
    this.open = false;
  }

  /** Return-Path and Received come first; each name stands there once, so that a second one came with the message. */
  private fits(name: string): boolean {
    const { seen } = this;
    if (seen.has(name)) return false;
    if (name === 'return-path') return seen.size === 0;
    if (name === 'received') return seen.size === 0 || (seen.size === 1 && seen.has('return-path'));
    if (!seen.has('received')) return false;
    if (CLOSING.has(name)) return true;
    return BETWEEN.has(name) && ![...CLOSING].some((closing) => seen.has(closing));
  }
}
