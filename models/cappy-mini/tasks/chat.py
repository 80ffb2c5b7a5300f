"""Everyday questions with whole-sentence answers: on topic or off topic."""

from .core import cap, family
from .words import CATEGORIES, NAMES, OFF_TOPIC, lines

QA = [tuple(p.strip() for p in x.split("|")) for x in lines("""
cook rice | Rinse the rice, add twice as much water and let it simmer for fifteen minutes.
boil an egg | Put the egg into boiling water and wait about eight minutes.
bake bread | Mix flour, water, salt and yeast, let the dough rise and bake it.
make tea | Pour hot water over the tea leaves and wait three minutes.
make pancakes | Stir eggs, milk and flour into a batter and fry it in a pan.
fall asleep faster | Go to bed at the same time every night and leave your phone outside the bedroom.
learn a language | Practise a little every day, listen to speakers and repeat new words.
lose weight | Eat less sugar, move more and be patient.
save money | Write down what you spend and put a part of your salary aside each month.
change a tyre | Loosen the nuts, lift the car with a jack and swap the wheel.
clean a window | Wipe the glass with warm soapy water and dry it with a cloth.
remove a stain | Soak the shirt in cold water and rub soap into the stain.
water my plants | Water them early in the morning and not too much.
grow tomatoes | Plant the seeds in spring and give the tomatoes sun and water.
train a puppy | Reward the puppy with treats and keep the lessons short.
write a good letter | Begin with a greeting, say clearly what you want and end politely.
prepare for an exam | Read your notes early, solve old questions and sleep well before the exam.
get to the airport | Take the train from the central station; it stops at the airport.
find a job | Update your CV and apply to companies that you like.
restart my computer | Press the power button or choose restart in the menu.
reset my password | Click on the link that says you forgot your password and follow the e-mail.
fix a slow computer | Close programs that you do not use and restart the computer.
take better photos | Hold the camera still and look for soft light.
learn the guitar | Start with three simple chords and practise every day.
run a marathon | Train for several months and run a little farther each week.
stop coughing | Drink warm tea with honey and rest.
treat a small burn | Hold the burn under cool water for ten minutes.
keep flowers fresh | Cut the stems and change the water every day.
paint a room | Cover the floor, tape the edges and put on two coats of paint.
make new friends | Join a club and talk to people who share your hobbies.
wash a wool jumper | Wash the wool by hand in cold water and dry it flat.
send a parcel | Pack it well, write the address and take it to the post office.
open a bank account | Bring your passport to the bank and fill in the form.
plan a birthday party | Make a list of guests, order a cake and send invitations.
read more books | Carry a book with you and read some pages before sleep.
make a salad | Cut lettuce, tomatoes and cucumber and add oil and vinegar.
""")]

KNOW = [tuple(p.strip() for p in x.split("|")) for x in lines("""
How many days are in a week? | There are seven days in a week. | There are nine days in a week.
How many months does a year have? | A year has twelve months. | A year has ten months.
What do bees make? | Bees make honey. | Bees make cheese.
What do cows eat? | Cows eat grass. | Cows eat stones.
Where do fish live? | Fish live in water. | Fish live in trees.
How many legs does a spider have? | A spider has eight legs. | A spider has two legs.
What is ice made of? | Ice is made of frozen water. | Ice is made of wood.
Which season is the coldest? | Winter is the coldest season. | Summer is the coldest season.
Which planet do we live on? | We live on the planet Earth. | We live on the planet Mars.
Where does the sun rise? | The sun rises in the east. | The sun rises in the west.
What do we breathe? | We breathe air. | We breathe sand.
Who treats sick people? | Doctors and nurses treat sick people. | Bakers treat sick people.
Who bakes bread? | A baker bakes bread. | A pilot bakes bread.
Who flies a plane? | A pilot flies a plane. | A farmer flies a plane.
What is the largest animal? | The blue whale is the largest animal. | The mouse is the largest animal.
How many wheels does a bicycle have? | A bicycle has two wheels. | A bicycle has five wheels.
What do you call a baby cat? | A baby cat is called a kitten. | A baby cat is called a puppy.
What do you call a baby dog? | A baby dog is called a puppy. | A baby dog is called a lamb.
What falls from the sky when it rains? | Water falls from the sky when it rains. | Milk falls from the sky when it rains.
Where can I borrow books? | You can borrow books at the library. | You can borrow books at the bakery.
Where can I buy stamps? | You can buy stamps at the post office. | You can buy stamps at the swimming pool.
How many minutes are in an hour? | There are sixty minutes in an hour. | There are twenty minutes in an hour.
What shines at night? | The moon and the stars shine at night. | The sun shines at night.
What is the frozen form of water? | The frozen form of water is ice. | The frozen form of water is steam.
""")]


@family("how to", [
    "How do I {do}?", "How can I {do}?", "What is the best way to {do}?", "Tell me how to {do}.", "Explain how to {do}.", "I want to {do}. What should I do?",
    "Give me a tip: how to {do}?", "Any advice on how to {do}?", "Can you help me to {do}?", "Please describe the steps to {do}.", "How does one {do}?",
    "What do I have to know to {do}?", "I have never tried to {do}. How does it work?"], weight=2.0)
def how_to(r, tag):
    do, right = r.choice(QA)
    wrong = r.sample([y for x, y in QA if y != right], 3) + r.sample(OFF_TOPIC, 2)
    r.shuffle(wrong)
    return {"do": do}, [right], wrong, {"forms": ["First of all: {}", "Sure! {}", "{}"], "free": True, "corrupt": True}


@family("small knowledge", [
    "{q}", "{q} Answer in a sentence.", "Please tell me: {q}", "A child asks: {q}", "Question: {q}\nAnswer:", "I wonder. {q}", "Do you know? {q}", "General knowledge: {q}",
    "Reply with a full sentence. {q}", "Here is a question for you. {q}", "My teacher asked: {q}", "Quiz time! {q}"], weight=1.5)
def knowledge(r, tag):
    q, right, bad = r.choice(KNOW)
    wrong = [bad] + r.sample([y for x, y, z in KNOW if y != right], 2) + r.sample(OFF_TOPIC, 2)
    return {"q": q}, [right], wrong, {"forms": ["{}", "{}", "I believe this: {}"], "free": True, "corrupt": True}


@family("stay on the subject", [
    "Write a sentence about {x}.", "Tell me something about {x}.", "Say something about {x}.", "What can you say about {x}?", "I would like to hear about {x}.", "Talk about {x}.", "Give me a fact or opinion about {x}.",
    "Topic: {x}. Write one line.", "One sentence on {x}, please.", "Compose a line about {x}.", "Do you have a thought on {x}?", "Write something short on the subject of {x}."], weight=1.5)
def subject(r, tag):
    nouns = [x for c in ("fruit", "animal", "bird", "vehicle", "tool", "drink", "sport", "flower", "instrument", "clothing") for x in CATEGORIES[c]]
    x, y, z = r.sample(nouns, 3)
    form = r.choice(["I like {} very much.", "In our town {} is very popular.", "My uncle {n} often speaks of {}.", "There is nothing like {} on a Sunday.", "{n} wrote a song about {}.", "Many people think that {} is useful.",
                     "Yesterday I read a story about {}.", "Some children dream of {}."]).replace("{n}", r.choice(NAMES))
    return {"x": x}, [form.format(x)], [form.format(y), cap(form.format(z))] + r.sample(OFF_TOPIC, 2), {"forms": [], "free": True, "corrupt": True}
