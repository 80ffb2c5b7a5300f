/**
 * A question as its fields on the page have it.
 * @typedef {object} Asked
 * @property {string} name
 * @property {"choice" | "score" | "boolean"} type
 * @property {string} text the question itself
 * @property {{ name: string, description: string }[]} options of a choice; the levels of a score have no description
 * @property {string} [yes] what yes means
 * @property {string} [no] what no means
 */

/** @typedef {{ state: string, questions: Asked[] }} Form what is to be decided, as the page has it */

/**
 * Worked examples of decisions.
 * @type {(Form & { name: string })[]}
 */
export const decisionExamples = [
  {
    name: "Triage a message",
    state:
      "Hello, I was charged twice for one order last week, and the second payment is still not back. I have written to you two times already. Please send the money back today.",
    questions: [
      {
        name: "team",
        type: "choice",
        text: "Which team should handle this message?",
        options: [
          { name: "billing", description: "Payments, invoices and refunds" },
          { name: "technical support", description: "The app or the website does not work" },
          { name: "shipping", description: "Parcels that are late, lost or damaged" },
        ],
      },
      {
        name: "urgency",
        type: "score",
        text: "How urgent is it?",
        options: [
          { name: "It can wait", description: "" },
          { name: "It should be done this week", description: "" },
          { name: "It must be done today", description: "" },
        ],
      },
      {
        name: "refund",
        type: "boolean",
        text: "Does the customer ask for money back?",
        options: [],
      },
    ],
  },
  {
    name: "Check a claim against a text",
    state:
      "The Moon goes around the Earth at a mean distance of about 384,400 km and needs about 27 days for it. It always turns the same side to us. The first people landed on it in 1969.",
    questions: [
      {
        name: "claim",
        type: "choice",
        text: "Claim: nobody has ever been on the Moon. What does the text say about the claim?",
        options: [
          { name: "supported", description: "The text says the same" },
          { name: "contradicted", description: "The text says the opposite" },
          { name: "not mentioned", description: "The text does not say whether it is so" },
        ],
      },
      {
        name: "answered",
        type: "boolean",
        text: "Does the text say how far the Moon is from the Earth?",
        options: [],
      },
    ],
  },
  {
    name: "Grade an answer",
    state:
      "Question: Why is it warmer in summer than in winter?\nThe pupil's answer: Because the Earth is closer to the Sun in summer.\nThe right answer: Because the Earth's axis is tilted, so that in summer the Sun stands higher and shines longer.",
    questions: [
      {
        name: "correct",
        type: "boolean",
        text: "Does the pupil's answer say the same as the right answer?",
        options: [],
      },
      {
        name: "grade",
        type: "score",
        text: "How good is the pupil's answer?",
        options: [
          { name: "Wrong", description: "" },
          { name: "Partly right", description: "" },
          { name: "Right", description: "" },
        ],
      },
      {
        name: "about",
        type: "choice",
        text: "What is the pupil's answer about?",
        options: [
          { name: "distance", description: "How far away the Sun is" },
          { name: "tilt", description: "How the Earth's axis stands" },
          { name: "weather", description: "Clouds, wind and rain" },
        ],
      },
    ],
  },
];
