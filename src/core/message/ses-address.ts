// Address fields as SES takes them. SES reads From, Reply-To, To and Cc with a strict reader of addresses
// (docs/aws-contracts.md §2.4) and refuses the whole message where one is invalid. Such a field is written anew, with
// every address that can be found in it. A field that SES takes keeps its bytes. It never adds or drops an address.

import { type Mailbox, needsSmtputf8 } from './address.ts';
import { type AddressList, readAddressList } from './address-list.ts';
import { addressField, asciiAddressOf, mailboxText } from './authors.ts';
import { encodedWords, oneLine } from './text-encoding.ts';

/** Text that is no address, in characters, as a group's name. */
const TEXT_CHARS_MAX = 200;

/**
 * The field for SES: null where it may stay as it is, '' where nothing is left to say, else the whole field. `name` as
 * it is written.
 */
export function mendedAddressField(name: string, value: string): string | null {
  const list = readAddressList(value);
  if (isTaken(list)) return null;
  const texts = list.entries.map((entry) =>
    entry.kind === 'mailbox'
      ? (sesMailboxText(entry.name, entry.mailbox) ?? emptyGroup(entry.mailbox.address))
      : emptyGroup(entry.text),
  );
  if (texts.length > 0) return addressField(name, texts);
  return /^to$/i.test(name) ? addressField(name, ['undisclosed-recipients:;']) : '';
}

/** `Name <address>`, or null where SES has no form for the address. */
export function sesMailboxText(name: string, mailbox: Mailbox): string | null {
  return hasSesForm(mailbox) ? mailboxText(name, mailbox) : null;
}

function hasSesForm(mailbox: Mailbox): boolean {
  return !needsSmtputf8(mailbox) && /^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[!-~]+\])$/.test(mailbox.domainKey);
}

function isTaken({ entries, wellFormed, asWritten, groups }: AddressList): boolean {
  if (!wellFormed || !asWritten || (entries.length === 0 && groups === 0)) return false;
  return entries.every((entry) => {
    if (entry.kind === 'text' || !hasSesForm(entry.mailbox)) return false;
    const { address, domain } = entry.mailbox;
    return (
      domain.toLowerCase() === entry.mailbox.domainKey &&
      asciiAddressOf(entry.mailbox).toLowerCase() === address.toLowerCase()
    );
  });
}

/**
 * An address that has no ASCII form, or words in an address's place, where people still read them: RFC 6857 §3.2.1 does
 * so.
 */
function emptyGroup(text: string): string {
  const name = oneLine(text, TEXT_CHARS_MAX);
  // No quoted string: some readers look for the colon without regard to quotes.
  const isPhrase =
    /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(name) && !name.includes('=?');
  return `${isPhrase ? name : encodedWords(name)}:;`;
}
