/** An SVG with a title, a heading over it, and this body; `width` and `height` as they are to be written. */
export function svgPicture(
  { title, heading }: { readonly title: string; readonly heading: string },
  width: string,
  height: string,
  body: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="8" y="18" font-weight="bold">${escaped(heading)}</text>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** A coordinate. */
export function one(value: number): string {
  return value.toFixed(1);
}

/** Text for SVG. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
