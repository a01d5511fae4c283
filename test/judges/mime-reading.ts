// What a mail reader that is not ours shows of a message: text, HTML, and attachments with their decoded bytes. For
// judging that a message which left in another encoding still says what it said. Line ends are left out: the reader
// gives its own to what is not encoded.

import PostalMime from 'postal-mime';

export type Shown = {
  readonly text: string;
  readonly html: string;
  readonly attached: readonly (readonly [type: string, name: string | null, content: string | Shown])[];
};

export async function shown(bytes: Uint8Array): Promise<Shown> {
  const { text, html, attachments } = await PostalMime.parse(bytes, { forceRfc822Attachments: true });
  const attached = attachments.map(async ({ mimeType, filename, content }) => {
    const octets = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as ArrayBuffer);
    const within = mimeType === 'message/rfc822' ? await shown(octets) : withLineFeeds(octets.toString('latin1'));
    return [mimeType, filename, within] as const;
  });
  return { text: withLineFeeds(text ?? ''), html: withLineFeeds(html ?? ''), attached: await Promise.all(attached) };
}

function withLineFeeds(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(/\n+$/, '');
}
