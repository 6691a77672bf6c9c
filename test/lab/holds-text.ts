/** Whether a text is anywhere in a value: in its strings, its properties, hidden ones too, and what they hold. */
export function holdsText(value: unknown, text: string, depth = 5): boolean {
  if (typeof value === 'string') return value.includes(text)
  if (typeof value !== 'object' || value === null || depth === 0 || ArrayBuffer.isView(value)) return false
  return Object.getOwnPropertyNames(value).some((name) => {
    // An error's stack begins with its message, and costs more to write than all else.
    if (name === 'stack') return false
    const property = Object.getOwnPropertyDescriptor(value, name)
    return property !== undefined && 'value' in property && holdsText(property.value, text, depth - 1)
  })
}
