// Reads the content of DATA from a stream of chunks: it removes stuffed dots and finds the final dot (RFC 5321 §4.5.2).
// Called by inbound-smtp.ts. Only CRLF ends a line: a dot after a bare LF is content. It shares nothing with the SMTP
// client that it judges.

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** The parts of a chunk: content, and the bytes behind the final dot; null before it has come. */
export type DataPart = { readonly content: Buffer; readonly rest: Buffer | null };

/**
 * Where in a line the next byte stands. `dot` and `dotCr`: a dot that began the line, and a CR after it, are not
 * decided yet.
 */
type Place = 'lineStart' | 'inLine' | 'cr' | 'dot' | 'dotCr';

export function readData(): (chunk: Buffer) => DataPart {
  let place: Place = 'lineStart';

  return (chunk) => {
    const content = Buffer.allocUnsafe(chunk.length + 1); // a CR after a dot may come from the chunk before
    let length = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (place === 'lineStart' && byte === DOT) {
        place = 'dot'; // it is dropped: it ends DATA, or it was stuffed
        continue;
      }
      if (place === 'dot' && byte === CR) {
        place = 'dotCr';
        continue;
      }
      if (place === 'dotCr') {
        if (byte === LF) return { content: content.subarray(0, length), rest: chunk.subarray(at + 1) };
        content[length++] = CR;
        place = 'cr';
      }
      content[length++] = byte;
      place = byte === CR ? 'cr' : byte === LF && place === 'cr' ? 'lineStart' : 'inLine';
    }
    return { content: content.subarray(0, length), rest: null };
  };
}
