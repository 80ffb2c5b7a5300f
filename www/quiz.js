/**
 * The questions of "Beat the model", which scripts/draw-examples.mjs drew at random from this project's own, of which
 * cappy-small was trained on none. `best` is the index of the right candidate.
 * @type {{ instruction: string, candidates: string[], best: number }[]}
 */
export const quiz = [
  {
    instruction:
      "Passage: The shop opens at nine and closes at six. On Sundays it stays closed. Question: When does the shop open?",
    candidates: ["At nine.", "The shop sells bread.", "On Sundays.", "At six."],
    best: 0,
  },
  {
    instruction: "Which of these is a fruit: hammer, pear, chair, cloud?",
    candidates: ["hammer", "chair", "pear", "fruit"],
    best: 2,
  },
  {
    instruction: "How do I keep cut flowers fresh for longer?",
    candidates: [
      "Put them into the oven.",
      "Flowers are a popular present.",
      "Roses are red and violets are blue.",
      "Trim the stems and change the water every two days.",
    ],
    best: 3,
  },
  {
    instruction: "Thanks for your help yesterday!",
    candidates: [
      "Yesterday was Tuesday.",
      "You're welcome, I was glad to help.",
      "Help is a verb.",
      "Who are you talking about?",
    ],
    best: 1,
  },
  {
    instruction: "What do bees make?",
    candidates: ["I am not sure about that.", "Milk.", "Honey.", "Bees live in hives."],
    best: 2,
  },
  {
    instruction:
      "Write a headline: A lorry lost its load of oranges on the motorway this morning, and traffic stood still for three hours.",
    candidates: [
      "Lorry driver wins the lottery",
      "Spilt oranges block motorway for hours",
      "Oranges are rich in vitamin C",
      "A lorry lost its load of",
    ],
    best: 1,
  },
  {
    instruction: "Correct this sentence: She go to school every days.",
    candidates: [
      "He stays at home every day.",
      "She goes to school every day.",
      "She go to school every days.",
      "School begins at eight.",
    ],
    best: 1,
  },
  {
    instruction:
      "Summarise in one sentence: The match was stopped after twenty minutes because of heavy rain. It will be played again on Wednesday.",
    candidates: [
      "Rain is good for plants and fills the rivers.",
      "The match ended on Wednesday with a clear win.",
      "The match was stopped after twenty minutes because of",
      "Because of rain the match was stopped and moved to Wednesday.",
    ],
    best: 3,
  },
  {
    instruction: "Give me the past tense of 'to write'.",
    candidates: ["writing", "write", "wrote", "A pen is used to write."],
    best: 2,
  },
  {
    instruction: "Is this review positive or negative? 'I could not put this book down, what a story!'",
    candidates: ["negative", "book", "It is a review.", "positive"],
    best: 3,
  },
];
