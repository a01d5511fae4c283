// PEM text (RFC 7468) from a secret: blocks with their labels, whatever happened to the line ends. The console of
// Secrets Manager turns them into spaces, and shells write \n for them. Used by the readers of certificates and keys.
// It decodes nothing.

export type PemBlock = {
  /** `CERTIFICATE`, `PRIVATE KEY`, `RSA PRIVATE KEY` … */
  readonly label: string;
  /** The block anew, in lines of 64 characters. */
  readonly pem: string;
  /** It says that a passphrase is needed to read it (RFC 7468 §11, or the header of RFC 1421). */
  readonly encrypted: boolean;
};

const BEGIN = '-----BEGIN ';
const DASHES = '-----';

/** The blocks that are whole, in order. The text between them is no part of any. */
export function pemBlocks(text: string): readonly PemBlock[] {
  return text
    .split(BEGIN)
    .slice(1)
    .flatMap((piece) => {
      const labelEnd = piece.indexOf(DASHES);
      if (labelEnd < 0) return [];
      const label = piece.slice(0, labelEnd);
      const end = piece.indexOf(`${DASHES}END ${label}${DASHES}`, labelEnd);
      return end < 0 ? [] : [block(label, piece.slice(labelEnd + DASHES.length, end))];
    });
}

function block(label: string, body: string): PemBlock {
  const encrypted = label === 'ENCRYPTED PRIVATE KEY' || body.includes('Proc-Type:');
  const data = body
    .replaceAll('\\r', '')
    .replaceAll('\\n', '')
    .replace(/[\s\r\n]/g, '');
  const lines = data.match(/.{1,64}/g) ?? [];
  return { label, encrypted, pem: `${BEGIN}${label}${DASHES}\n${lines.join('\n')}\n${DASHES}END ${label}${DASHES}\n` };
}
