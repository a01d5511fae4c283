// Sentences that the English texts of notices share: who can fix it, and what to do. Read by texts-en.ts and
// texts-en-reasons.ts. Never assembled from remote text.

export type StatusText = { readonly cause: string; readonly whoCanFix: string; readonly whatToDo: string };

export const EN_YOU = 'You can, with what is said below.';
export const EN_THEM = "The people who run the recipient's mail system.";
export const EN_US = 'We can: the people who run the mail system that sends this notice.';
export const EN_THEM_OR_YOU = "The people who run the recipient's mail system; or those who run yours.";
export const EN_RECIPIENT = "The recipient, or the people who run the recipient's mail system.";
export const EN_YOUR_ADMIN = 'The people who run the mail system or the domain that you send from.';

export const EN_CHECK_ADDRESS =
  'Check the address for mistakes, also one that your mail program completed for you, and send the message again. If it is right, reach the recipient in another way and ask for the current address.';
export const EN_LATER = 'Send the message again later. If it is urgent, reach the recipient in another way.';
export const EN_CONTACT =
  'Reach the recipient in another way, and pass on the details below to the people who run that mail system.';
export const EN_FORWARD = 'Forward this notice to the people who run your mail system; the details below are for them.';
export const EN_POSTMASTER =
  'Write to the postmaster named below and quote the spool id. Your message was not at fault; send it again once we have answered.';
