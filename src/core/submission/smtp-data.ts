// Finds the end of DATA and removes stuffed dots in a stream of chunks (RFC 5321 §4.5.2). The gateway calls it. Only
// CRLF ends a line: a dot after a bare LF is content, so no second message can be smuggled in and no byte is lost. It
// never copies more than a few bytes at a chunk's edge.

const CR = 0x0d;
const LF = 0x0a;
const LINE_DOT = Buffer.from('\r\n.');
const LINE_START = Buffer.from('\r\n');

/** The result of one chunk: content to keep; `rest` is the bytes after the final dot, null while DATA goes on. */
export type DataPart = { readonly content: Buffer; readonly rest: Buffer | null };
/** Takes the chunk over: dots are closed up in place. */
export type DataReader = (chunk: Buffer) => DataPart;

export function readData(): DataReader {
  let held: Buffer = LINE_START; // undecided bytes; DATA begins as if after a line end, which is dropped again below
  let virtual = LINE_START.length;

  return (chunk) => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let kept = 0; // up to here bytes were read
    let closed = 0; // up to here content stands
    const keep = (to: number) => {
      if (closed !== kept) bytes.copyWithin(closed, kept, to);
      closed += to - kept;
      kept = to;
    };
    const content = () => {
      const dropped = Math.min(virtual, closed);
      virtual -= dropped;
      return bytes.subarray(dropped, closed);
    };
    for (;;) {
      const found = bytes.indexOf(LINE_DOT, kept);
      if (found < 0) {
        keep(bytes.length - undecided(bytes, kept));
        held = bytes.subarray(kept);
        return { content: content(), rest: null };
      }
      const [next, afterNext] = [bytes[found + 3], bytes[found + 4]];
      if (next === undefined || (next === CR && afterNext === undefined)) {
        keep(found);
        held = bytes.subarray(found);
        return { content: content(), rest: null };
      }
      keep(found + 2);
      kept += 1; // the dot goes: it ended DATA, or it was stuffed
      if (next === CR && afterNext === LF) return { content: content(), rest: bytes.subarray(found + 5) };
    }
  };
}

/** Bytes at the end that may begin CRLF-dot. */
function undecided(bytes: Buffer, from: number): number {
  const last = bytes.length - 1;
  if (last < from) return 0;
  if (bytes[last] === CR) return 1;
  return bytes[last] === LF && last > from && bytes[last - 1] === CR ? 2 : 0;
}
