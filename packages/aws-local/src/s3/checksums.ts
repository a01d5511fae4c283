// The checksums that S3 takes and gives, computed while the bytes pass: MD5 for the ETag and Content-MD5, CRC32,
// CRC32C, CRC64NVME (S3's default), SHA1 and SHA256. Called by upload-body.ts, which compares them, and objects.ts.
// Pure.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const checksumNames = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;
export type ChecksumName = (typeof checksumNames)[number];

export type Checksum = {
  update(bytes: Uint8Array): void;
  /** Base64 of the big-endian value, as S3's header fields carry it. */
  digest(): string;
};

export function createChecksum(name: ChecksumName | 'md5'): Checksum {
  switch (name) {
    case 'crc32': {
      let value = 0;
      return {
        update(bytes) {
          value = crc32(bytes, value);
        },
        digest: () => base64(value >>> 0),
      };
    }
    case 'crc32c':
      return crc32c();
    case 'crc64nvme':
      return crc64nvme();
    default: {
      const hash = createHash(name);
      return {
        update(bytes) {
          hash.update(bytes);
        },
        digest: () => hash.digest('base64'),
      };
    }
  }
}

/** Castagnoli polynomial, reflected. */
const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(): Checksum {
  let value = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) value = (crc32cTable[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
    },
    digest: () => base64(~value >>> 0),
  };
}

/** NVMe's 64-bit polynomial, reflected, in two halves of 32 bits: BigInt would be a hundred times slower. */
const crc64High = new Uint32Array(256);
const crc64Low = new Uint32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    const odd = low & 1;
    low = (low >>> 1) | ((high & 1) << 31);
    high >>>= 1;
    if (odd) {
      high ^= 0x9a6c9329;
      low ^= 0xac4bc9b5;
    }
  }
  crc64High[byte] = high;
  crc64Low[byte] = low;
}

function crc64nvme(): Checksum {
  let high = 0xffffffff | 0;
  let low = 0xffffffff | 0;
  return {
    update(bytes) {
      for (const byte of bytes) {
        const index = (low ^ byte) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (crc64Low[index] ?? 0);
        high = (high >>> 8) ^ (crc64High[index] ?? 0);
      }
    },
    digest: () => base64(~high >>> 0, ~low >>> 0),
  };
}

function base64(...words: readonly number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => {
    bytes.writeUInt32BE(word, i * 4);
  });
  return bytes.toString('base64');
}
