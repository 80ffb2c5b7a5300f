/**
 * Example tasks, which scripts/draw-examples.mjs drew at random from questions that cappy-small was not trained on. `best`
 * is the index of the candidate that `source` has as the right one. Wrong ones come from there or from its other questions.
 * @type {{ name: string, source: string, licence: string, instruction: string, candidates: string[], best: number }[]}
 */
export const examples = [
  {
    name: "Everyday question 1",
    source: "this project's own questions",
    licence: "",
    instruction: "Who wrote Romeo and Juliet?",
    candidates: [
      "Romeo.",
      "It is a play about two young lovers.",
      "William Shakespeare wrote it.",
      "Charles Dickens wrote it.",
    ],
    best: 2,
  },
  {
    name: "Everyday question 2",
    source: "this project's own questions",
    licence: "",
    instruction: "What is the opposite of 'cheap'?",
    candidates: ["price", "expensive", "cheap", "low-priced"],
    best: 1,
  },
  {
    name: "Everyday question 3",
    source: "this project's own questions",
    licence: "",
    instruction: "My phone's battery is empty after two hours. What can I check first?",
    candidates: [
      "Throw the phone against a wall.",
      "Two hours are 120 minutes.",
      "Batteries were invented in 1800.",
      "See in the settings which apps use the most battery.",
    ],
    best: 3,
  },
  {
    name: "Common sense",
    source: "CommonsenseQA (Talmor et al., 2019)",
    licence: "MIT",
    instruction: "What are cats that have found sunlight likely to do?",
    candidates: ["need food", "falling down", "drink water", "eat meat", "lie down"],
    best: 4,
  },
  {
    name: "Topic of a message",
    source: "BANKING77 (Casanueva et al., 2020)",
    licence: "CC BY 4.0",
    instruction: "A bank customer wrote the message below. Which topic is it about?\nI did not get enough cash",
    candidates: [
      "declined transfer",
      "beneficiary not allowed",
      "pending cash withdrawal",
      "wrong amount of cash received",
      "balance not updated after cheque or cash deposit",
    ],
    best: 3,
  },
  {
    name: "Intent of a request",
    source: "CLINC150 (Larson et al., 2019)",
    licence: "CC BY 3.0",
    instruction: "What does the user want? Name the intent of this request.\nhelp me get an uber",
    candidates: ["flip coin", "oil change how", "order", "shopping list", "uber"],
    best: 4,
  },
  {
    name: "Working with words",
    source: "Instruction Induction (Honovich et al., 2022)",
    licence: "Apache 2.0",
    instruction: "output the opposite of\nInput: unlawful",
    candidates: ["lawful", "decreasing", "disreputable", "unlawful", "hypertension"],
    best: 0,
  },
  {
    name: "Grammar",
    source: "BLiMP (Warstadt et al., 2020)",
    licence: "CC BY 4.0",
    instruction:
      "Which sentence is grammatically acceptable English?\n- An organization also benefited.\n- An organization ever benefited.",
    candidates: ["An organization also benefited.", "An organization ever benefited."],
    best: 0,
  },
  {
    name: "Arithmetic",
    source: "GSM8K (Cobbe et al., 2021)",
    licence: "MIT",
    instruction:
      "Jeff bought 6 pairs of shoes and 4 jerseys for $560. Jerseys cost 1/4 price of one pair of shoes. Find the shoe's price total price.",
    candidates: ["480", "478", "484", "240"],
    best: 0,
  },
];
