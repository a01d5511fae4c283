// Writes the XML answers of S3, SNS and SES's older API from plain objects. It never parses XML: no emulated request
// has an XML body.

export type Xml = string | number | boolean | readonly Xml[] | XmlElement | null;
export type XmlElement = { readonly [name: string]: Xml | undefined };

/**
 * One document: each member an element, each entry of a list an element of the member's name; null is an empty element.
 */
export function writeXml(root: string, members: XmlElement, namespace: string | null): string {
  const attribute = namespace === null ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${writeMembers(members)}</${root}>`;
}

function writeMembers(members: XmlElement): string {
  return Object.entries(members)
    .map(([name, value]) => (value === undefined ? '' : writeElement(name, value)))
    .join('');
}

function writeElement(name: string, value: Xml): string {
  if (Array.isArray(value)) return value.map((entry: Xml) => writeElement(name, entry)).join('');
  if (value === null) return `<${name}/>`;
  if (typeof value === 'object') return `<${name}>${writeMembers(value as XmlElement)}</${name}>`;
  return `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** Control characters leave as references, as S3 writes them in keys. */
function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[\u0000-\u001f\u007f]/g, (control) => `&#x${control.charCodeAt(0).toString(16).toUpperCase()};`);
}
