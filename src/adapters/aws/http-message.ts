// HTTP/1.1 as bytes and text (RFC 9112), as far as DirectHttp needs it: the head of a request, the head of a response,
// chunked coding. Pure: no sockets. It throws for bytes that are not HTTP, and guesses nothing.

/** The SDK's HttpRequest and HttpResponse, as far as they are used here. */
export type Request = {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
};
export type Head = { readonly statusCode: number; readonly reason: string; readonly headers: Record<string, string> };

/** A request's head, its query escaped as SigV4 signed it. */
export function requestHead({ method, path, query, headers }: Request): string {
  const escaped = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    [value].flat().map((each) => (each === null ? escaped(name) : `${escaped(name)}=${escaped(each)}`)),
  );
  const target = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Status line and fields (RFC 9112 §4, §5), without the empty line. Names in lower case, repeated ones joined. */
export function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first);
  if (status === null) throw garbled('no status line');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw garbled('a line that is no field');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return { statusCode: Number(status[1]), reason: status[2] ?? '', headers };
}

/** RFC 9112 §7.1, decoded, and how many bytes it took. Null while the end is not there. Trailers are passed over. */
export function dechunk(coded: Buffer): { readonly content: Buffer; readonly took: number } | null {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = coded.indexOf('\r\n', at);
    if (end < 0) return null;
    const size = Number.parseInt(coded.toString('latin1', at, end), 16);
    if (!(size >= 0)) throw garbled('a chunk without a size');
    if (size === 0) {
      const last = coded.indexOf('\r\n\r\n', end); // at once where there are no trailers
      return last < 0 ? null : { content: Buffer.concat(parts), took: last + 4 };
    }
    parts.push(coded.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
    if (at > coded.byteLength) return null;
  }
}

export const garbled = (what: string) => Object.assign(new Error(`not an HTTP answer: ${what}`), { code: 'EPROTO' });
