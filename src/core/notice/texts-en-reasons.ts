// What the English notices say by the reason of a failure, where the status alone does not tell or tells something
// else. Part of the table in texts-en.ts. Data alone: texts.ts chooses.

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

/** Keys: `reason ` and a reason of the ledger. */
export const englishReasons: Readonly<Record<string, StatusText>> = {
  // Reasons that the status alone does not tell
  'reason ses-suppressed': {
    cause:
      'The address stands on a list of addresses that refused mail before, or whose owner called our mail unwanted. Our sending service sends nothing to such an address.',
    whoCanFix: 'The recipient can say that mail is wanted; then we can take the address off the list.',
    whatToDo:
      'Check the address for mistakes. If it is right, reach the recipient in another way, and write to the postmaster named below and quote the spool id.',
  },
  'reason ses-content-rejected': {
    cause: 'Our sending service refused the message for what is in it: it looks like a virus.',
    whoCanFix: EN_YOU,
    whatToDo:
      'Have your device checked for viruses. Send the message again without its attachments, or with a link to them instead.',
  },
  'reason ses-rendering-failed': {
    cause: 'Our sending service could not put the message together.',
    whoCanFix: EN_US,
    whatToDo: EN_POSTMASTER,
  },

  'reason ses-address-not-valid': {
    cause: 'Our sending service found that mail to this address would hardly arrive, and sent nothing.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'reason bounce-without-report': {
    cause:
      "The recipient's mail system took the message or sent it back, and our sending service was not told which. An absence notice of the recipient looks the same: then the message has arrived.",
    whoCanFix: 'The recipient, who can say whether the message arrived.',
    whatToDo:
      'If the matter is important, ask the recipient in another way. Send the message again only if it has not arrived.',
  },

  // A next hop's replies, where the status is another one or none
  'reason recipient-unknown': {
    cause: "The recipient's mail system knows no such address.",
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'reason domain-takes-no-mail': {
    cause: 'The domain of the address (the part after the @) says that it receives no mail at all.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'reason mailbox-full': {
    cause: "The recipient's mailbox is full.",
    whoCanFix: EN_RECIPIENT,
    whatToDo: 'Ask the recipient in another way to make room, then send the message again.',
  },
  'reason mailbox-disabled': {
    cause: 'The mailbox exists but is closed, or does not take mail at present.',
    whoCanFix: EN_RECIPIENT,
    whatToDo:
      'Reach the recipient in another way; sending the message again will not help until the mailbox is opened.',
  },
  'reason recipient-restricted': {
    cause: 'The recipient, a mailbox or a group, takes mail from certain senders alone.',
    whoCanFix: EN_RECIPIENT,
    whatToDo: 'Reach the recipient in another way and ask that your address be let in.',
  },
  'reason sender-refused': {
    cause: "The recipient's mail system does not take mail from your address or from its domain.",
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'reason sender-unauthenticated': {
    cause:
      "The recipient's mail system could not verify that the message comes from the domain in its From field (SPF, DKIM, DMARC).",
    whoCanFix: EN_YOUR_ADMIN,
    whatToDo: EN_FORWARD,
  },
  'reason message-too-large': {
    cause: "The message is larger than the recipient's mail system accepts.",
    whoCanFix: EN_YOU,
    whatToDo: 'Send it again without large attachments, or with a link to them instead.',
  },
  'reason content-refused': {
    cause: "The recipient's mail system did not accept the content of the message.",
    whoCanFix: EN_YOU,
    whatToDo: 'Send the message again as plain text, without attachments.',
  },
  'reason next-hop-sees-loop': {
    cause: 'The message went round in a circle between mail servers, and was stopped.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'reason greylisted': {
    cause: "The recipient's mail server puts off mail from senders that it does not know yet.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'reason throttled': {
    cause: "The recipient's mail server limits how much mail it takes from us in a time, and asked us to come later.",
    whoCanFix: EN_THEM,
    whatToDo: EN_LATER,
  },
  'reason recipient-address-bad': {
    cause: 'The address is not written as a mail address must be.',
    whoCanFix: EN_YOU,
    whatToDo: EN_CHECK_ADDRESS,
  },
  'reason recipient-refused': {
    cause: "The recipient's mail system refused the recipient without saying more exactly why.",
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
  'reason refused-by-policy': {
    cause:
      "The recipient's mail system refused the message under its rules: because of who sends it, or what is in it.",
    whoCanFix: EN_THEM_OR_YOU,
    whatToDo:
      'Read the reply below, which may say what displeased. If you cannot tell, reach the recipient in another way and ask that your mail be let in.',
  },
  'reason list-not-expanded': {
    cause: 'The address is a mailing list that could not be expanded.',
    whoCanFix: EN_THEM,
    whatToDo: EN_CONTACT,
  },
};
