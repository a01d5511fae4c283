// The exit codes of sysexits.h, and the error that ends `everpost sendmail` with one of them. The files of the verb
// throw it; sendmail.ts alone catches it. It ends nothing itself.

export const EX = {
  ok: 0,
  usage: 64,
  data: 65,
  noInput: 66,
  noUser: 67,
  tempFail: 75,
  noPermission: 77,
  config: 78,
} as const;

export class Exit extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
