// Products of sizes, as on paper: the compiler has no numbers to compute with, but it can read digits and look up tables.
// What has no plain digits (a fraction, 1e21) has an unknown product.

/** The digits of a number, last one first. */
type Digits<
  Text extends string,
  Done extends readonly Digit[] = [],
> = Text extends `${infer First extends Digit}${infer Rest}`
  ? Digits<Rest, [First, ...Done]>
  : Text extends ''
    ? Done
    : never

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/** The product of two sizes; `number` where it cannot be told. */
export type Times<A extends number, B extends number> = number extends A | B
  ? number
  : A extends 1
    ? B
    : B extends 1
      ? A
      : 0 extends A | B
        ? 0
        : Digits<`${A}`> extends infer Left extends readonly Digit[]
          ? Digits<`${B}`> extends infer Right extends readonly Digit[]
            ? [Left] extends [never]
              ? number
              : [Right] extends [never]
                ? number
                : Written<Rows<Left, Right>>
            : number
          : number

/** A number from its digits, last one first. */
type Written<D extends readonly Digit[], Text extends string = ''> = D extends readonly [
  infer First extends Digit,
  ...infer Rest extends readonly Digit[],
]
  ? Written<Rest, `${First}${Text}`>
  : Text extends `${infer N extends number}`
    ? N
    : number

/** The sum of the rows: `Left` times each digit of `Right`, moved by its place. */
type Rows<
  Left extends readonly Digit[],
  Right extends readonly Digit[],
  Places extends readonly 0[] = [],
  Sum extends readonly Digit[] = [],
> = Right extends readonly [infer First extends Digit, ...infer Rest extends readonly Digit[]]
  ? Rows<Left, Rest, [...Places, 0], Plus<Sum, [...Places, ...Row<Left, First>]>>
  : Sum

/** Digits times one digit. */
type Row<
  Left extends readonly Digit[],
  By extends Digit,
  Carry extends Digit = 0,
  Done extends readonly Digit[] = [],
> = Left extends readonly [infer First extends Digit, ...infer Rest extends readonly Digit[]]
  ? Carried<Products[By][First], Carry> extends `${infer High extends Digit}${infer Low extends Digit}`
    ? Row<Rest, By, High, [...Done, Low]>
    : never
  : Carry extends 0
    ? Done
    : [...Done, Carry]

/** A two-digit text and a digit, added; the sum has two digits again. */
type Carried<
  Text extends string,
  Carry extends Digit,
> = Text extends `${infer High extends Digit}${infer Low extends Digit}`
  ? Sums[Low][Carry] extends `${infer More extends Digit}${infer Last extends Digit}`
    ? More extends 0
      ? `${High}${Last}`
      : Sums[High][More] extends `0${infer First extends Digit}`
        ? `${First}${Last}`
        : never
    : never
  : never

/** The sum of two numbers by their digits. */
type Plus<
  A extends readonly Digit[],
  B extends readonly Digit[],
  Carry extends Digit = 0,
  Done extends readonly Digit[] = [],
> = A extends readonly [infer First extends Digit, ...infer RestA extends readonly Digit[]]
  ? B extends readonly [infer Second extends Digit, ...infer RestB extends readonly Digit[]]
    ? Carried<Sums[First][Second], Carry> extends `${infer High extends Digit}${infer Low extends Digit}`
      ? Plus<RestA, RestB, High, [...Done, Low]>
      : never
    : Carry extends 0
      ? [...Done, ...A]
      : Plus<A, [Carry], 0, Done>
  : Carry extends 0
    ? [...Done, ...B]
    : B extends readonly []
      ? [...Done, Carry]
      : Plus<B, [Carry], 0, Done>

type Products = [
  ['00', '00', '00', '00', '00', '00', '00', '00', '00', '00'],
  ['00', '01', '02', '03', '04', '05', '06', '07', '08', '09'],
  ['00', '02', '04', '06', '08', '10', '12', '14', '16', '18'],
  ['00', '03', '06', '09', '12', '15', '18', '21', '24', '27'],
  ['00', '04', '08', '12', '16', '20', '24', '28', '32', '36'],
  ['00', '05', '10', '15', '20', '25', '30', '35', '40', '45'],
  ['00', '06', '12', '18', '24', '30', '36', '42', '48', '54'],
  ['00', '07', '14', '21', '28', '35', '42', '49', '56', '63'],
  ['00', '08', '16', '24', '32', '40', '48', '56', '64', '72'],
  ['00', '09', '18', '27', '36', '45', '54', '63', '72', '81'],
]

type Sums = [
  ['00', '01', '02', '03', '04', '05', '06', '07', '08', '09'],
  ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10'],
  ['02', '03', '04', '05', '06', '07', '08', '09', '10', '11'],
  ['03', '04', '05', '06', '07', '08', '09', '10', '11', '12'],
  ['04', '05', '06', '07', '08', '09', '10', '11', '12', '13'],
  ['05', '06', '07', '08', '09', '10', '11', '12', '13', '14'],
  ['06', '07', '08', '09', '10', '11', '12', '13', '14', '15'],
  ['07', '08', '09', '10', '11', '12', '13', '14', '15', '16'],
  ['08', '09', '10', '11', '12', '13', '14', '15', '16', '17'],
  ['09', '10', '11', '12', '13', '14', '15', '16', '17', '18'],
]
