/** A value that JSON has words for. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject

/** An object of such values. */
export interface JsonObject {
  readonly [name: string]: JsonValue
}
