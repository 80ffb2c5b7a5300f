//! What is embedded: the model of models/cappy-small, which puts right answers before clearly wrong ones.

use cappy::checkpoint::WeightFormat;
use cappy::{Dtype, Family, LoadOptions, ModelSource, Scorer};
use pollster::block_on;

/// Questions, each with its right answer first. The wrong ones are of another kind or plainly false.
const EXAMPLES: [(&str, [&str; 3]); 10] = [
    (
        "What is the capital of France?",
        ["Paris", "Bananas are yellow.", "I like to swim on Sundays."],
    ),
    (
        "How do I boil an egg?",
        [
            "Put the egg into boiling water and wait for about eight minutes.",
            "The train to the coast leaves at noon from platform four.",
            "My neighbour has painted his garage door dark green.",
        ],
    ),
    (
        "Which animal barks?",
        ["A dog", "The sum of all these numbers", "A long walk along the river bank"],
    ),
    (
        "How can I fall asleep more easily at night?",
        [
            "Go to bed at the same time every day, and put your phone away an hour before.",
            "The stock market closed a little higher on Thursday.",
            "A hexagon is a shape that has six sides and six corners.",
        ],
    ),
    (
        "Is this review positive or negative? Review: I loved every minute of this film.",
        ["positive", "a kitchen table", "forty-two kilometres"],
    ),
    (
        "What should I do when my computer does not turn on?",
        [
            "Check that the power cable is plugged in and that the battery is charged.",
            "Tomatoes need a lot of sun and water in summer.",
            "The museum was built in the nineteenth century.",
        ],
    ),
    (
        "Why is the sky blue?",
        [
            "Because air scatters blue light more than red light.",
            "Because my sister plays the violin in an orchestra.",
            "Because the shop sells fresh bread on Saturdays.",
        ],
    ),
    (
        "Name a fruit that is yellow.",
        ["banana", "the second world war", "a red fire engine in the street"],
    ),
    (
        "How do plants make their food?",
        [
            "They use sunlight to turn water and carbon dioxide into sugar.",
            "They sign a contract with a lawyer and pay every month.",
            "They drive to the supermarket once a week.",
        ],
    ),
    (
        "What is the opposite of hot?",
        ["cold", "a bicycle with two wheels", "the president of the company"],
    ),
];

/// The embedded model, on the GPU.
fn embedded(dtype: Dtype) -> Scorer {
    load(ModelSource::Embedded, dtype)
}

fn load(source: ModelSource, dtype: Dtype) -> Scorer {
    block_on(Scorer::load(source, LoadOptions { dtype, ..LoadOptions::default() })).unwrap()
}

#[test]
fn the_right_answer_comes_before_clearly_wrong_ones() {
    for dtype in [Dtype::F16, Dtype::F32] {
        let scorer = embedded(dtype);
        let wrong: Vec<&str> = EXAMPLES
            .iter()
            .filter(|(question, answers)| {
                block_on(scorer.rank(question, answers, Some(1))).unwrap()[0].index != 0
            })
            .map(|(question, _)| *question)
            .collect();
        println!("{dtype:?}: wrong at {wrong:?}");
        // A model that is read wrongly is right at a third of them.
        assert!(wrong.len() <= 2, "{dtype:?}: {wrong:?}");
    }
}

#[test]
fn it_is_cappy_small_and_small() {
    let scorer = embedded(Dtype::Auto);
    let info = scorer.info();
    assert_eq!(info.model, "cappy-small (embedded)");
    assert_eq!((info.config.family, info.config.num_hidden_layers), (Family::Bert, 6));
    assert_eq!(info.config.labels.len(), 1);
    assert_eq!(info.weights, WeightFormat::Q4);
    assert!(info.output.contains("about 0 to 1"), "{}", info.output);
    // What a page, an extension and the library carry of it, with its tokenizer of half a megabyte.
    assert!((10_000_000..12_500_000).contains(&info.file_bytes), "{}", info.file_bytes);
}

#[test]
fn it_scores_as_the_model_in_the_folder_does() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/cappy-small");
    let [embedded, folder] =
        [ModelSource::Embedded, ModelSource::Directory(folder.into())].map(|source| {
            let scorer = load(source, Dtype::F32);
            let pairs: Vec<(&str, &str)> = EXAMPLES
                .iter()
                .flat_map(|(question, answers)| answers.map(|answer| (*question, answer)))
                .chain([("ÉCOLE 学校 [SEP] <s>", "naïve \u{1f600} Straße"), ("", "")])
                .collect();
            let scores = block_on(scorer.score(&pairs)).unwrap();
            scores.into_iter().map(|score| (score.logits, score.tokens)).collect::<Vec<_>>()
        });
    assert_eq!(embedded, folder);
}
