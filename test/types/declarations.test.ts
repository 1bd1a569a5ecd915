import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { root } from '../pack/project.js'

const built = join(root, 'dist')

/** The declarations that a user's program reaches from the public entry. */
function declarations(): ts.SourceFile[] {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
  const program = ts.createProgram([join(built, 'index.d.ts')], options)
  return program.getSourceFiles().filter(({ fileName }) => join(fileName).startsWith(built))
}

function placeOf(node: ts.Node, source: ts.SourceFile): string {
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
  return `${source.fileName.slice(built.length + 1)}:${line + 1}: ${source.text.split('\n')[line]?.trim()}`
}

/** Where the type `any` is written in a file. */
function anys(source: ts.SourceFile): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      found.push(placeOf(node, source))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Members, parameters and functions without a type are `any` as well; those that are private have none. */
function untyped(source: ts.SourceFile): string[] {
  const found: string[] = []
  const visit = (node: ts.Node, secret: boolean): void => {
    const hidden = secret || isPrivate(node)
    const member = ts.isParameter(node) || ts.isPropertyDeclaration(node) || ts.isPropertySignature(node)
    const result =
      ts.isMethodDeclaration(node) || ts.isMethodSignature(node) || ts.isFunctionDeclaration(node)
    const typed =
      (member && !ts.isPropertySignature(node) && node.initializer !== undefined) ||
      ((member || result) && node.type !== undefined)
    if ((member || result) && !typed && !hidden) found.push(placeOf(node, source))
    ts.forEachChild(node, (child) => visit(child, hidden))
  }
  visit(source, false)
  return found
}

function isPrivate(node: ts.Node): boolean {
  if (ts.isPropertyDeclaration(node) && ts.isPrivateIdentifier(node.name)) return true
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
  )
}

describe('the public declarations', () => {
  const files = declarations()

  it('are found', () => {
    expect(files.length).toBeGreaterThan(60)
    const sample = ts.createSourceFile(
      'x.d.ts',
      'export declare const a: any[]',
      ts.ScriptTarget.Latest,
      true,
    )
    expect(anys(sample)).toHaveLength(1)
    const lax = ts.createSourceFile('x.d.ts', 'export declare function f(a): void', ts.ScriptTarget.Latest)
    expect(untyped(lax)).toHaveLength(1)
  })

  it('never say any', () => {
    expect(files.flatMap(anys)).toEqual([])
  })

  it('leave no type out', () => {
    expect(files.flatMap(untyped)).toEqual([])
  })
})
