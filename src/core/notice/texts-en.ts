// What people are told in English, by status code and reason: what went wrong, who can fix it, what to do. Plain words,
// no blame that we cannot prove, and nothing that only we understand. Data alone: texts.ts chooses among them, and
// never assembles them from remote text.

import { englishReasons } from './texts-en-reasons.ts';
import {
  EN_CHECK_ADDRESS,
  EN_CONTACT,
  EN_FORWARD,
  EN_LATER,
  EN_POSTMASTER,
  EN_RECIPIENT,
  EN_THEM,
  EN_THEM_OR_YOU,
  EN_US,
  EN_YOU,
  EN_YOUR_ADMIN,
  type StatusText,
} from './texts-en-shared.ts';

/**
 * Keys: a status (`5.1.1`), a status of any class (`X.1.1`), a subject (`X.1`), a class (`5`). With `own ` before it,
 * the row is for what our own system decided, without any remote server's reply; with `reason ` before a reason of the
 * ledger, it says more than the status.
 */
export const english: Readonly<Record<string, StatusText>> = {
  // X.1 addresses
  'X.1.0': { cause: 'Something is wrong with the address.', whoCanFix: EN_YOU, whatToDo: EN_CHECK_ADDRESS },
  'X.1.1': { cause: 'There is no mailbox with this address.', whoCanFix: EN_YOU, whatToDo: EN_CHECK_ADDRESS },
  'X.1.2': {
    cause: 'The domain of the address (the part after the @) does not exist or takes no mail.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'X.1.3': {
    cause: 'The address is not written as a mail address must be.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'X.1.4': {
    cause: 'The address stands for more than one mailbox, so that the server could not choose.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.1.6': { cause: 'The mailbox has moved and left no new address.', whoCanFix: EN_YOU, whatToDo: EN_CHECK_ADDRESS },
  'X.1.7': {
    cause: 'The receiving server does not accept your address as a valid one.',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.1.8': {
    cause: 'The receiving server could not find the domain that you send from.',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.1.10': {
    cause: 'The domain of the address (the part after the @) says that it receives no mail at all.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'X.1': { cause: 'The receiving server did not accept the address.', whoCanFix: EN_YOU, whatToDo: EN_CHECK_ADDRESS },
  'own X.1.1': { cause: 'There is no such address in our domain.', whoCanFix: EN_YOU, whatToDo: EN_CHECK_ADDRESS },

  // X.2 mailboxes
  'X.2.1': {
    cause: 'The mailbox exists but is closed, or does not take mail at present.',
    whoCanFix: EN_RECIPIENT,
    whatToDo:
      'Reach the recipient in another way; sending the message again will not help until the mailbox is opened.',
  },
  'X.2.2': {
    cause: "The recipient's mailbox is full.",
    whoCanFix: EN_RECIPIENT,
    whatToDo: 'Ask the recipient in another way to make room, then send the message again.',
  },
  'X.2.3': {
    cause: 'The message is larger than the recipient may receive.',
    whoCanFix: EN_YOU,
    whatToDo: 'Send it again without large attachments, or with a link to them instead.',
  },
  'X.2.4': {
    cause: 'The address is a mailing list that could not be expanded.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.2': {
    cause: "The recipient's mailbox could not take the message.",
    whoCanFix: EN_RECIPIENT,
    whatToDo: EN_CONTACT,
  },

  // X.3 mail systems
  'X.3.0': {
    cause: "The recipient's mail system reported a fault of its own.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'own X.3.0': {
    cause:
      'Our mail system had accepted your message, but could then not open or process it. We are sorry. Your message was not delivered.',
    whoCanFix: EN_US,
    whatToDo:
      'Please send your message again. If this happens again, write to the postmaster named below and quote the spool id.',
  },
  'X.3.1': { cause: "The recipient's mail system has no room left for mail.", whoCanFix: EN_THEM, whatToDo: EN_LATER },
  'X.3.2': { cause: "The recipient's mail system takes no mail at present.", whoCanFix: EN_THEM, whatToDo: EN_LATER },
  'X.3.3': {
    cause: "The recipient's mail system lacks something that this message needs.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.3.4': {
    cause: "The message is larger than the recipient's mail system accepts.",
    whoCanFix: EN_YOU,
    whatToDo: 'Send it again without large attachments, or with a link to them instead.',
  },
  'X.3.5': {
    cause: "The recipient's mail system is not set up to take this message.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'own X.3.5': {
    cause: 'Our mail system is not set up rightly to hand on your message.',
    whoCanFix: EN_US,
    whatToDo: EN_POSTMASTER,
  },
  'X.3': { cause: "The recipient's mail system could not take the message.", whoCanFix: EN_THEM, whatToDo: EN_LATER },

  // X.4 network and routing
  'X.4.1': {
    cause: "The recipient's mail server could not be reached, or did not answer.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.4.2': {
    cause: "The connection to the recipient's mail server broke off before the message was taken.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.4.3': {
    cause: 'The directory that says where mail for this domain goes (DNS) gave no usable answer.',
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.4.4': {
    cause: 'There is no way known to deliver mail to this domain.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'X.4.5': {
    cause: "The recipient's mail system was too busy to take the message.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.4.6': {
    cause: 'The message went round in a circle between mail servers, and was stopped.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'own X.4.6': {
    cause:
      'The message went round in a circle between mail servers and came back to us too often, so we stopped it. Some server forwards this address back to where it came from.',
    whoCanFix: EN_THEM_OR_YOU,
    whatToDo: EN_POSTMASTER,
  },
  'X.4.7': {
    cause: 'The message could not be delivered within the time that we keep trying.',
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.4': { cause: "The recipient's mail server could not be reached.", whoCanFix: EN_THEM, whatToDo: EN_LATER },

  // X.5 protocol
  'X.5.2': {
    cause: "The recipient's mail server did not understand what was sent to it.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.5.3': {
    cause: 'The message has more recipients than the server takes at once.',
    whoCanFix: EN_YOU,
    whatToDo: 'Send the message again to fewer recipients at a time.',
  },
  'X.5': {
    cause: "The recipient's mail server and the one that delivered your message did not understand each other.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },

  // X.6 content
  'X.6.0': {
    cause: "The recipient's mail system could not make sense of the message, or did not want its content.",
    whoCanFix: EN_YOU,
    whatToDo: 'Send the message again from another mail program, or as plain text without attachments.',
  },
  'X.6.3': {
    cause: "The message is in a form that the recipient's mail server cannot take, and must not be converted.",
    whoCanFix: EN_THEM,
    whatToDo: 'Send the message again as plain text, without attachments.',
  },
  'X.6.7': {
    cause: "An address or header field holds characters that the recipient's mail server does not support.",
    whoCanFix: EN_THEM,
    whatToDo: 'If the recipient has an address of plain English letters, write to that one.',
  },
  'X.6': {
    cause: "The recipient's mail system did not accept the content of the message.",
    whoCanFix: EN_YOU,
    whatToDo: 'Send the message again as plain text, without attachments.',
  },

  // X.7 security and policy
  '4.7.0': {
    cause: "The recipient's mail server refuses our mail for the time being.",
    whoCanFix: EN_THEM_OR_YOU,
    whatToDo: EN_LATER,
  },
  '4.7.1': {
    cause:
      "The recipient's mail server refuses the message for the time being; many do so with senders that they do not know yet.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'own 4.7.0': {
    cause: 'Our mail system was not let in by the server that it hands mail to.',
    whoCanFix: EN_US,
    whatToDo: EN_POSTMASTER,
  },
  'X.7.1': {
    cause:
      "The recipient's mail system refused the message under its rules: because of who sends it, what is in it, or whom it is for.",
    whoCanFix: EN_THEM_OR_YOU,
    whatToDo:
      'Read the reply below, which may say what displeased. If you cannot tell, reach the recipient in another way and ask that your mail be let in.',
  },
  'own X.7.1': {
    cause: 'Our mail system refused the message under its rules.',
    whoCanFix: EN_US,
    whatToDo: 'If you think that this is a mistake, write to the postmaster named below and quote the spool id.',
  },
  'X.7.2': {
    cause: 'You are not allowed to write to this mailing list.',
    whoCanFix: EN_THEM,
    whatToDo: 'Ask those who run the list to let you write to it.',
  },
  'X.7.5': {
    cause:
      "No secure connection to the recipient's mail server could be made, because its certificate was not in order.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'X.7.8': {
    cause: 'The mail server did not accept a user name or password.',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.10': {
    cause: "The recipient's mail server does not encrypt connections, which is required here.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.7.20': {
    cause: "The message bears no valid DKIM signature, which the recipient's mail system demands.",
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.23': {
    cause: 'The domain that you send from does not list the sending server as one of its own (SPF).',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.25': {
    cause: 'The sending server has no valid name in the directory of addresses (reverse DNS).',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.26': {
    cause:
      "The message failed several checks of who sent it (SPF, DKIM, DMARC; code 5.7.26), so that the recipient's mail system could not trust it.",
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.27': {
    cause: 'The domain that you send from says that it takes no mail, so that answers could not reach you.',
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'X.7.30': {
    cause:
      "The message may only travel over connections that are encrypted all the way, and the recipient's mail server does not promise that.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'X.7': {
    cause: "The recipient's mail system refused the message for reasons of security or policy.",
    whoCanFix: EN_THEM_OR_YOU,
    whatToDo:
      'Read the reply below, which may say why. If you cannot tell, reach the recipient in another way and ask that your mail be let in.',
  },

  ...englishReasons,

  // When nothing more is known
  '4': {
    cause: 'The message could not be delivered for a reason that should have passed, but did not say which.',
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  '5': {
    cause: "The recipient's mail system refused the message without saying more exactly why.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'own 4': {
    cause: 'Our mail system has not been able to hand on the message so far.',
    whoCanFix: EN_US,
    whatToDo: EN_POSTMASTER,
  },
  'own 5': { cause: 'Our mail system could not deliver the message.', whoCanFix: EN_US, whatToDo: EN_POSTMASTER },
};

export const englishUnknown: StatusText = {
  cause: 'The message could not be delivered.',
  whoCanFix: EN_US,
  whatToDo: EN_POSTMASTER,
};

/** A server refused us, and not the message: `says` is of the reason's row. */
export function englishRefusedUs(says: string): StatusText {
  return {
    cause: `The server that we hand mail to refused our own mail system, for something that we should have set right in time: ${says}. Your message and the address were not refused.`,
    whoCanFix: EN_US,
    whatToDo: EN_POSTMASTER,
  };
}
