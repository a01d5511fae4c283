// General rules for texts about the recipient: the address does not exist, the mailbox is full or closed, or it takes
// mail from certain senders alone. reply-rules.ts tries them after the texts about us. A row decides before them, and
// so does a status of its own.

import { CONTENT, others, type ReplyRule, words } from './rule.ts';

const WHO =
  '(?:user|mail ?box|recipient|addressee|account|address|customer|subscriber|alias|person|contact|member|local[- ]part|user ?name|inbox|e-?mail(?: address)?)';
const UNKNOWN = words(
  `\\b${WHO}\\b.{0,60}\\b(?:unknown|(?:not|never) (?:been )?(?:found|known|exist|listed|recogni[sz]ed|registered|defined|present)|(?:does|do|did)(?: not|n't|nt) (?:\\w+ )?(?:exist|have)|non-?exist(?:ent|ant|s)?|no longer (?:exists?|valid|available|in use|here|with|on)|is (?:not|no) (?:a )?(?:valid|local|known|longer))\\b`,
  `\\b(?:unknown|no such|non-?exist(?:ent|ing|ant)|invalid|bad|unrouteable|unroutable|undeliverable|unrecogni[sz]ed|not a (?:valid|known|local)|no(?: local| valid)?|there is no) (?:local |e-?mail |virtual |final )?${WHO}\\b`,
  "\\bno (?:mail ?box|account|user|one|body)\\b.{0,20}\\b(?:here|by that name|with that name|of that name)\\b|\\bnot our customer\\b|\\bdoesn't have an? [\\w.]{1,40} account\\b|\\bhas no mail ?box\\b",
  '\\b(?:utilisateur|destinataire|adresse|compte)\\b.{0,40}\\b(?:inconnue?|inexistante?|introuvable|n.existe pas)\\b|\\b(?:adresse|bo[iî]te)\\b.{0,20}\\bd.au moins un destinataire invalide\\b',
  '\\b(?:usuario|destinatario|buz[oó]n|cuenta|utente|casella|conta|usu[aá]rio)\\b.{0,40}\\b(?:desconocid[oa]|no existe|inexistente|sconosciut[oa]|non esiste|n[aã]o existe|desconhecid[oa])',
  '\\b(?:empf(?:ä|ae)nger|benutzer|postfach|adresse)\\b.{0,40}\\b(?:unbekannt|existiert nicht|nicht gefunden|nicht bekannt)\\b|\\bunbekannter (?:empf|benutzer)',
  '(?:пользователь|получатель|ящик).{0,40}(?:не найден|не существует|неизвест)|用户不存在|ユーザーが見つかりません',
);
/** A text about the sender, or about a domain that the server does not serve. */
const NOT_THE_RECIPIENT = words(
  '\\b(?:sender|originator|return[- ]path|mail ?from|client|domain|relay|emetteur|dkim|header)\\b',
);

/** A refusal whose text calls it temporary, or the server's own trouble. */
export const FOR_NOW = words(
  '\\b(?:try|come|send|retry)(?: it| this)?(?: back)?(?: again)? (?:later|in (?:a (?:few|while|moment)|\\d)|after \\d)|\\btry again in\\b|\\blater, please\\b',
  '\\btemporarily\\b.{0,30}\\b(?:unavailable|not available|rejected|refused|deferred|failed|unable|out of (?:order|service))\\b|\\btemporary\\b.{0,30}\\b(?:failure|errors?|problems?|unavailability|rejection|deferral)\\b',
  '\\b(?:verif(?:y|ied)|accept(?:ed)?|process(?:ed)?|deliver(?:ed)?|check(?:ed)?)\\b.{0,40}\\b(?:at this time|right now|at the moment)\\b',
  '\\b(?:database|ldap|sql|directory|back-?end)\\b.{0,40}\\b(?:unavailable|not available|unreachable|fail(?:ed|ure)|errors?|down|timed? ?out)\\b',
  '\\b(?:internal (?:server |system )?error|server (?:is )?(?:overloaded|too busy)|system (?:is )?(?:overloaded|too busy)|service (?:is )?(?:temporarily )?overloaded)\\b',
);

const FULL = words(
  '\\b(?:mail ?box|inbox|quota|mail ?folder|disk|account|user|recipient|storage|bo[iî]te)\\b.{0,60}\\b(?:(?:is |too |almost )?full|over ?quota|exceed(?:s|ed)|out of (?:disk )?(?:space|storage|room)|overdrawn|pleine)\\b',
  '\\b(?:over|exceed(?:s|ed|ing)?)(?: the| its| his| their| disk| mail ?box| storage)* ?(?:quota|storage|limit of the mail ?box)\\b|\\bquota exceeded\\b|\\b(?:insufficient|not enough|no) (?:disk |storage |mail ?box )?(?:space|storage|room)\\b|\\bmail ?box full\\b|\\bcasella piena\\b',
  '\\b(?:postfach|speicherplatz)\\b.{0,60}\\b(?:voll|ersch(?:ö|oe)pft|(?:ü|ue)berschritten)\\b|\\bpostvak\\b.{0,40}\\bvol\\b|\\b(?:buz[oó]n|casilla)\\b.{0,60}\\bllen[oa]\\b|\\b(?:cuota|cota|quota)\\b.{0,30}\\b(?:exced\\w+|superad[oa]|superata|d[eé]pass[eé]e?)',
  '\\bcasella\\b.{0,60}\\bpiena\\b|\\bcaixa\\b.{0,60}\\bcheia\\b|\\bskrzynka\\b.{0,60}\\b(?:prze)?pełna|ящик.{0,40}переполнен|メールボックス.{0,20}(?:いっぱい|容量)|(?:邮箱|郵箱|信箱).{0,10}满',
);

const CLOSED = words(
  '\\b(?:mail ?box|account|user|recipient|addressee|e-?mail(?: address)?|address|inbox)\\b.{0,60}\\b(?:inactive|in-?active|(?:de-?activ|dis?continu|terminat|disabl|suspend|clos|lock|expir|retir|delet|remov|cancel)\\w{0,4}ed|closed|frozen|on hold|not active|unavailable|dormant|abandoned)\\b',
  '\\b(?:inactive|disabled|deactivated|suspended|closed|expired|blocked|locked|deleted) (?:mail ?box|account|user|recipient|address)\\b|\\bmail ?box unavailable\\b|\\bhas left (?:the|our) (?:company|organi[sz]ation)\\b|\\bno longer (?:works|employed)\\b',
);

const BLOCKS_YOU = words(
  '\\b(?:recipient|user|mail ?box owner|addressee|account holder)\\b.{0,60}\\b(?:has |have )?(?:blocked|blocks|black ?listed|refus(?:es|ed) (?:mail|messages|to)|rejects? (?:mail|messages)|does not (?:accept|want|take)|only (?:accepts|takes)|accepts mail (?:only )?from)\\b',
  '\\brejected by (?:this |the )?(?:user|recipient|addressee)\\b|\\bblock(?:ed|list(?:ed)?)? by (?:the |this )?(?:recipient|user)\\b|\\bmembers? only\\b|\\bmoderated (?:list|group)\\b',
  '\\b(?:list|group)\\b.{0,20}\\bonly (?:accepts|takes)\\b|\\bonly (?:list |group )?(?:members|subscribers)\\b|\\b(?:from|by) (?:members|subscribers)(?: only)?$',
);

/** RFC 5321 §4.2.2: 550 mailbox unavailable, 551 user not local, 553 mailbox name not allowed. */
const REFUSED = words(
  '\\brecipient(?: address)?(?: <>)?(?: was| has been| is)? ?:?(?: \\[?[^ ]{0,80}\\]?)? ?(?:rejected|refused|denied|not accepted)\\b|\\binvalid recipients?\\b|\\buser not local\\b|\\bmailbox name not allowed\\b|\\bnot accepting (?:mail|messages)\\b|\\bunable to deliver to\\b',
);

const NOT_THE_RECIPIENT_NOW = words(NOT_THE_RECIPIENT.source, '\\b(?:temporarily|currently) (?:un|not )available\\b');

const AT_RECIPIENT = ['rcpt', ...CONTENT] as const;

export const recipientRules: readonly ReplyRule[] = [
  others('words-recipient-blocks-you', 'recipient-restricted', '550 5.7.1 The recipient has blocked you', {
    phases: AT_RECIPIENT,
    text: BLOCKS_YOU,
  }),
  others('words-mailbox-full', 'mailbox-full', '550 The mailbox of this user is full', {
    phases: AT_RECIPIENT,
    text: FULL,
    unless: words('\\b(?:size|large|message|sender|hops?)\\b'),
  }),
  others('words-mailbox-closed', 'mailbox-disabled', '550 This account has been closed', {
    phases: AT_RECIPIENT,
    text: CLOSED,
    unless: NOT_THE_RECIPIENT_NOW,
  }),
  others('words-recipient-unknown', 'recipient-unknown', '550 There is no such user here', {
    phases: AT_RECIPIENT,
    text: UNKNOWN,
    unless: NOT_THE_RECIPIENT,
  }),
  others('words-recipient-refused', 'recipient-refused', '554 5.7.1 Recipient address rejected', {
    phases: ['rcpt'],
    text: REFUSED,
    unless: FOR_NOW,
  }),
];
