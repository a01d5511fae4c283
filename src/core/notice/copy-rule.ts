// Which failures the postmaster gets a copy of (`notices.copyPostmasterOn`), by reason, state or status, as Exchange
// selects them by codes. It never decides how the copy is sent.

import type { DeliveryRow } from '#core/delivery/delivery.ts';

/** Each code is a reason ('no-such-user'), a state ('expired') or a status ('5.1.1'); '*' stands for any characters. */
export function wantsCopy(codes: readonly string[], row: DeliveryRow): boolean {
  const said = [row.state, row.stateReason, row.lastReason, row.lastStatus].filter((each) => each !== null);
  return codes.some((code) => said.some((each) => fits(code, each)));
}

function fits(code: string, said: string): boolean {
  const [first = '', ...rest] = code.split('*');
  if (rest.length === 0) return said === code;
  if (!said.startsWith(first)) return false;
  let at = first.length;
  for (const [index, part] of rest.entries()) {
    const last = index === rest.length - 1;
    const found = last ? Math.max(at, said.length - part.length) : said.indexOf(part, at);
    if (found < at || !said.startsWith(part, found)) return false;
    at = found + part.length;
  }
  return true;
}
