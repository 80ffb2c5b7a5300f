import type { AbortSignal } from "../globals.js";
import type { Content } from "./content.js";

export type { Content };

/** A question about a state. */
export type Question =
  | {
      /** Which of several options? */
      type: "choice";
      /** The question. */
      instructions?: Content;
      /** 2 to 256 options by name, with descriptions or `null`. */
      criteria: Readonly<Record<string, Content>>;
    }
  | {
      /** How much, on ordered levels? */
      type: "score";
      /** The question. */
      instructions?: Content;
      /** 2 to 256 levels from the lowest on; `null` is called by its number, from 0. */
      criteria: readonly Content[];
    }
  | {
      /** Yes or no? */
      type: "boolean";
      /** The question. It may be missing where `criteria` has a description. */
      instructions?: Content;
      /** What yes and no mean. */
      criteria?: { readonly true?: Content; readonly false?: Content } | null;
    };

/** A state, and what is asked about it. */
export interface Decision<Q extends Readonly<Record<string, Question>> = Readonly<Record<string, Question>>> {
  /** What the questions are about. JSON is written as lines of `key: value`. */
  state: Content;
  /** The questions by name. */
  questions: Q;
}

/** The answer to a question, by its type. */
export type Answer<Q extends Question = Question> = Q extends { type: "choice"; criteria: infer C }
  ? {
      type: "choice";
      /** The most probable option; of equal ones the first by name. */
      choice: keyof C & string;
      /** Every option's probability. */
      probabilities: Record<keyof C & string, number>;
    }
  : Q extends { type: "score" }
    ? {
        type: "score";
        /** The mean of the levels' numbers, from 0, by their probabilities. */
        score: number;
        /** Every level's probability by its number. */
        probabilities: Record<string, number>;
      }
    : {
        type: "boolean";
        /** The probability of yes. */
        probability: number;
      };

/** The answers to the questions by name. */
export type Answers<Q extends Readonly<Record<string, Question>> = Readonly<Record<string, Question>>> = {
  -readonly [Name in keyof Q]: Answer<Q[Name]>;
};

/** How a model is asked; the file `decide.json` beside a model's weights has the same fields. */
export interface Rendering {
  /** The pair's instruction, of `{question}` and `{state}`. A pair that is too long loses its end. */
  instruction: string;
  /** The pair's response, of `{option}` and, where a model reads statements, `{question}`. */
  response: string;
  /** An option that has a description, of `{name}` and `{description}`. Without one it is its name. */
  described: string;
  /** The option that stands for true. */
  yes: string;
  /** The option that stands for false. */
  no: string;
  /** The question where none is given. */
  unasked: string;
  /** What scores are divided by before the softmax: for all questions, or for each type. */
  temperature: number | { choice: number; score: number; boolean: number };
}

/** How to decide. */
export interface DecideOptions {
  /** Stops the work. */
  signal?: AbortSignal;
  /** Called with each question's name and answer as soon as its options are scored, in the questions' order. */
  onAnswer?: (name: string, answer: Answer) => void;
  /** Called with how many pairs are scored. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Changes of how the model is asked, and of its temperature. */
  rendering?: Partial<Rendering>;
}
