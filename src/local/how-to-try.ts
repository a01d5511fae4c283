// The text that `npm start` prints after its ready line where the built-in mail server runs: how to send a message, and
// where to find mail, the NDR and the trace. Called by main.ts. Pure: it reads no flag and no file.

/** Where `npm start` keeps state, and where a verb looks for it, unless `--data` names another folder. */
export const dataDefault = '.everpost';

/** The lines. `data` is the folder as it was given, `port` the front door's, `domain` one of ours. */
export function howToTry(data: string, port: number, domain: string): string {
  const sameData = data === dataDefault ? '' : ` --data ${quoted(data)}`;
  return [
    'Send it a message, for example:',
    `  printf 'Subject: hello\\n\\nhello\\n' | curl -s smtp://127.0.0.1:${port} --mail-from you@src.example --mail-rcpt ann@${domain} -T -`,
    `Mail is in ${data}/mailboxes/ann@${domain}/new. refused@${domain} is refused: the NDR is in ${data}/mailboxes/you@src.example/new.`,
    `later@${domain} is deferred each time, greylisted@${domain} once. npm run -s everpost -- trace${sameData} shows what became of each.`,
  ].join('\n');
}

/** For a POSIX shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
