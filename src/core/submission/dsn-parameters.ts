// The submitter's DSN requests as parameters of MAIL and RCPT, for a next hop that offers DSN (RFC 3461 §4). The SMTP
// client calls it. Xtext is ASCII: a value that it cannot express is left out. That requests less, and never something
// else.

import type { Notify, Return } from './submission.ts';

export type DsnRequest = {
  readonly ret: Return | null;
  readonly envid: string | null;
  readonly notify: readonly Notify[] | null;
  readonly orcpt: string | null;
};

/** ` RET=HDRS ENVID=…`, or ''. */
export function dsnOfMail({ ret, envid }: DsnRequest): string {
  const id = envid === null ? null : encodeXtext(envid);
  return `${ret === null ? '' : ` RET=${ret}`}${id === null ? '' : ` ENVID=${id}`}`;
}

/** ` NOTIFY=FAILURE,DELAY ORCPT=rfc822;…`, or ''. */
export function dsnOfRcpt({ notify, orcpt }: DsnRequest): string {
  const at = orcpt?.indexOf(';') ?? -1;
  const address = orcpt === null ? null : encodeXtext(orcpt.slice(at + 1));
  const original = orcpt === null || address === null ? '' : ` ORCPT=${orcpt.slice(0, at)};${address}`;
  return `${notify === null ? '' : ` NOTIFY=${notify.join(',')}`}${original}`;
}

/** RFC 3461 §4; null where the text is empty or not ASCII. */
function encodeXtext(text: string): string | null {
  if (!/^[ -~]+$/.test(text)) return null;
  return text.replace(/[ +=]/g, (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
