// Finds the line behind which a report in words quotes the message that it is about. The quoted text says nothing of
// the delivery, and may itself be a report. Each line is cut short before it is read.

const LINE_CHARS_MAX = 400;

const FOLLOWS = new RegExp(
  [
    '^[\\s>]*[-=_*]{2,}[\\s>]*(this is a copy|below this line|start of returned|returned mail follows|(the )?(original|returned|unsent|undelivered) (message|mail)|copy of|message (header|text|body)|the (body|header)|body of|return address|unsent|original-? ?nachricht|(ursprüngliche|weitergeleitete) nachricht|message (original|d.origine)|forwarded message)',
    '^\\s*(original message headers?|(the )?original message (as received |is as )?follows|your (original )?message (follows|reads)|below is (a|the) copy|original message as received|(a|the) copy of (the|your) original message|a summary of the undelivered message|begin forwarded message|.{0,30}attached below.{0,30}original)\\b.*:?\\s*$',
    '^>?Received: (from|by|\\()',
  ].join('|'),
  'i',
);

export function beginsOriginal(line: string): boolean {
  return FOLLOWS.test(line.slice(0, LINE_CHARS_MAX));
}
