import type { Tensor } from '../tensor.js'
import { fromTypedArray } from '../tensor/factories.js'
import { TensorDataset, type Tensors } from './dataset.js'
import { type Preprocessing, targetsOf } from './preprocessing.js'
import { isDropped, type Plan } from './table-plan.js'

/** Inputs of a table. */
export type TableInputs = Tensor<[number, number], 'f32'>

/**
 * A table in memory: inputs and targets as tensors, and what is known of its columns. It is a data set for `fit`,
 * `evaluate`, `DataLoader` and `trainTestSplit`.
 *
 * `x` is f32 `[n, columns]`. `y` is i32 `[n]` of class indices for one column of categories, f32 `[n, targets]` for
 * columns of numbers, a record of both by name for several of which one is of categories, and `x` itself without a
 * target.
 *
 * @example
 * ```ts
 * import { data } from 'neuroxide'
 * const table = data.records(
 *   [{ height: 1.9, kind: 'tall' }, { height: 1.1, kind: 'small' }],
 *   { target: 'kind' },
 * )
 * console.log(table.x.shape, table.y.toArray(), table.classes) // [ 2, 1 ] [ 1, 0 ] [ 'small', 'tall' ]
 * ```
 */
export class Table<Y extends Tensors = Tensors> extends TensorDataset<TableInputs, Y> {
  /** How raw records become inputs of the same kind; `model.preprocessing = …` saves it with a model. */
  readonly preprocessing: Preprocessing
  /** How many rows were left out for what was missing in them. */
  readonly dropped: number

  /** @internal Made by `data.csv` and `data.records`. */
  constructor(x: TableInputs, y: Y, preprocessing: Preprocessing, dropped: number) {
    super(x, y)
    this.preprocessing = preprocessing
    this.dropped = dropped
  }

  /** The names of the columns of `x`. */
  get columns(): readonly string[] {
    return this.preprocessing.columns
  }

  /** The names of the columns that `y` is made of. */
  get targets(): readonly string[] {
    return this.preprocessing.targets
  }

  /** The names of the classes in the order of their indices, where `y` is one column of categories; else null. */
  get classes(): readonly string[] | null {
    return this.preprocessing.classes
  }
}

/** Puts rows into tensors; how many will come is not known. */
export class TableWriter {
  readonly #plan: Plan
  readonly #preprocessing: Preprocessing
  readonly #targets: number[][]
  #x: Float32Array
  #rows = 0
  #dropped = 0

  constructor(plan: Plan, preprocessing: Preprocessing) {
    this.#plan = plan
    this.#preprocessing = preprocessing
    this.#targets = plan.targets.map(() => [])
    this.#x = new Float32Array(1024 * preprocessing.columns.length)
  }

  /** One more row; throws a CellProblem where it cannot be used. */
  add(values: readonly unknown[]): void {
    if (isDropped(this.#plan, values)) {
      this.#dropped++
      return
    }
    const width = this.#preprocessing.columns.length
    if ((this.#rows + 1) * width > this.#x.length) {
      const larger = new Float32Array(this.#x.length * 2)
      larger.set(this.#x)
      this.#x = larger
    }
    const { inputs, targets } = this.#plan
    this.#preprocessing.writeInputs((i) => values[inputs[i] as number], this.#x, this.#rows)
    for (const [i, place] of targets.entries())
      this.#targets[i]?.push(this.#preprocessing.targetNumber(i, values[place]))
    this.#rows++
  }

  /** How many rows there are. */
  get rows(): number {
    return this.#rows
  }

  finish(): Table {
    const width = this.#preprocessing.columns.length
    const x = fromTypedArray(this.#x.subarray(0, this.#rows * width), [this.#rows, width] as [number, number])
    const { targets } = this.#preprocessing.schema
    const y: Tensors = targets.length === 0 ? x : targetsOf(targets, this.#targets, this.#rows)
    return new Table(x, y, this.#preprocessing, this.#dropped)
  }
}
