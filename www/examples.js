/**
 * Example tasks that the demo model can solve. `best` is the index of the right candidate.
 * @type {{ name: string, instruction: string, candidates: string[], best: number }[]}
 */
export const examples = [
  {
    name: "Newspaper section",
    // Like the example on the model card of Cappy, the AG News question, in other words.
    instruction:
      "In which section of a newspaper would this article likely appear?\n" +
      "The Carlyle Group, a private investment firm known for its bets on the defence industry, is now putting money into a quieter part of the market.",
    candidates: ["World News", "Sports", "Business", "Science and Technology"],
    best: 2,
  },
  {
    name: "Capital city",
    instruction: "What is the capital of France?",
    candidates: [
      "I like turtles.",
      "Bananas are yellow.",
      "The capital of France is Paris.",
      "The capital of France is Berlin.",
    ],
    best: 2,
  },
  {
    name: "Review: positive or negative",
    instruction:
      "Is the sentiment of this review positive or negative? Review: The food was wonderful and the staff were lovely.",
    candidates: ["positive", "negative"],
    best: 0,
  },
  {
    name: "Use all of these words",
    instruction: "Use all of these words in one sentence: dog, ball, garden",
    candidates: [
      "The cat slept in the kitchen.",
      "The dog found a ball in the garden.",
      "The dog sat on the chair.",
      "A ball is round.",
    ],
    best: 1,
  },
  {
    name: "Who did it",
    instruction: "Anna baked a cake. Tom fixed the bike. Who fixed the bike?",
    candidates: ["Anna", "Tom", "Lucy"],
    best: 1,
  },
  {
    name: "Help with breakfast",
    instruction: "How do I boil an egg for breakfast?",
    candidates: [
      "The train leaves at noon.",
      "Put the egg into boiling water and wait about eight minutes.",
      "Click on the link that says you forgot your password and follow the e-mail.",
      "My favourite colour is purple.",
    ],
    best: 1,
  },
  {
    name: "Opposite",
    instruction: "What is the opposite of hot?",
    candidates: ["warm", "cold", "yellow", "Hot is a word."],
    best: 1,
  },
  {
    name: "Animal sound",
    instruction: "Name the animal that barks.",
    candidates: ["cow", "dog", "duck", "cat"],
    best: 1,
  },
];
