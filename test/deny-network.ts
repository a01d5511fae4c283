// Preloaded into every test: a connection to anywhere but this machine, or a name lookup, fails loudly.
// A test that needs the network is a test that fails elsewhere.

import dns from 'node:dns';
import net from 'node:net';

/** This machine, and names that RFC 2606 keeps from ever existing. */
const LOCAL = /^(127\.\d+\.\d+\.\d+|::1|localhost|::ffff:127\.\d+\.\d+\.\d+)$|\.(invalid|test|example)$/;

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const first: unknown = Array.isArray(args[0]) ? args[0][0] : args[0];
  const host =
    typeof first === 'object' && first !== null && 'host' in first
      ? first.host
      : typeof args[1] === 'string'
        ? args[1]
        : null;
  if (typeof host === 'string' && host !== '' && !LOCAL.test(host))
    throw new Error(`a test tried to reach ${host}: tests have no network`);
  return Reflect.apply(connect, this, args) as net.Socket;
} as typeof connect;

const lookup = dns.lookup;
dns.lookup = ((host: string, ...rest: unknown[]) => {
  if (!LOCAL.test(host)) throw new Error(`a test tried to look up ${host}: tests have no network`);
  return Reflect.apply(lookup, dns, [host, ...rest]);
}) as typeof lookup;
