// What a server's TLS alert says of our certificate. In TLS 1.3 the alert comes after the handshake is over for us, as
// the first thing that is read (RFC 8446 §4.4.2.4). It reads the codes of Node's errors and nothing else.

/** By the alert's name in OpenSSL's code (RFC 8446 §6.2): only alerts about a client's certificate. */
const ALERTS: readonly (readonly [name: string, says: string])[] = [
  ['ALERT_CERTIFICATE_REQUIRED', 'it wants a client certificate, and we showed none that it takes'],
  ['ALERT_BAD_CERTIFICATE', 'it says that our client certificate is bad'],
  ['ALERT_UNSUPPORTED_CERTIFICATE', 'it does not support our kind of client certificate'],
  ['ALERT_CERTIFICATE_REVOKED', 'it says that our client certificate is revoked'],
  ['ALERT_CERTIFICATE_EXPIRED', 'it says that our client certificate has ended'],
  ['ALERT_CERTIFICATE_UNKNOWN', 'it does not take our client certificate'],
  ['ALERT_UNKNOWN_CA', 'it does not know the authority that signed our client certificate'],
  ['ALERT_ACCESS_DENIED', 'it lets nobody in with our client certificate'],
];

/** In words; null where the error is no alert about our certificate. */
export function certificateAlert(code: string | undefined): string | null {
  if (code === undefined || !code.startsWith('ERR_SSL_')) return null;
  return ALERTS.find(([name]) => code.endsWith(name))?.[1] ?? null;
}
