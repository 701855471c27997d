"""Words of the sums and word problems of pre-training; fine-tuning and test have their own in ``arithmetic_words``.

A real problem: "Mia counts 84 pens in the garden. An aunt sends 17 by post. How many pens does that make?"
A story is put together from a start, one or two events and a question, so that many verbs meet many verbs.
Slots: {name}, {other}, {item}; {a} (and {b}) of the start, {n} of an event; {y} the answer.
"""

# fmt: off

# Where the leading number lies, by first operator: never where it lies in a problem of fine-tuning or test.
LEAD = {"+": ((3, 14), (80, 120)), "-": ((14, 31), (80, 150)), "*": ((15, 25),)}

STARTS = {
    "en": ["{name} has {a} {item} in a basket.", "{a} {item} lie on the table.", "The bakery keeps {a} {item}.",
           "{name} counts {a} {item} in the garden.", "In the morning a hotel stores {a} {item}.",
           "{name} sets out with {a} {item}.", "A library owns {a} {item}.", "A ship carries {a} {item}."],
    "zh": ["{name}的篮子里有{a}个{item}。", "桌上摆着{a}个{item}。", "仓库里存了{a}个{item}。", "{name}早上数出{a}个{item}。",
           "面包店一早备好{a}个{item}。", "{name}带着{a}个{item}出门。", "图书馆藏有{a}个{item}。", "船上载着{a}个{item}。"],
}

GROUPS = {  # {a} times {b}; what is counted, for the working
    "en": [("{a} workers carry {b} {item} each.", "the workers"), ("{name} orders {a} packs of {b} {item}.", "the packs"),
           ("On each of {a} plates lie {b} {item}.", "the plates"), ("{a} children hold {b} {item} apiece.", "the children"),
           ("For {a} days {name} paints {b} {item} a day.", "the days"), ("{a} crates of {b} {item} arrive.", "the crates"),
           ("In {a} rows stand {b} {item} each.", "the rows"),
           ("{name} visits {a} shops and gets {b} {item} in each.", "the shops")],
    "zh": [("{a}个工人每人搬{b}个{item}。", "工人搬的"), ("{name}订了{a}包{item}，一包{b}个。", "包里的"),
           ("{a}个盘子里各有{b}个{item}。", "盘子里的"), ("{a}个孩子各拿{b}个{item}。", "孩子拿的"),
           ("{name}连着{a}天画{item}，一天{b}个。", "画的"), ("运到{a}箱{item}，一箱{b}个。", "箱子里的"),
           ("地上摆了{a}排{item}，每排{b}个。", "摆成排的"), ("{name}去了{a}家店，每家得到{b}个{item}。", "店里得到的")],
}

EVENTS = {  # and what comes or goes
    "en": {
        "+": [("an aunt sends {n} by post", "the post"), ("{name} finds {n} in the cellar", "the finds"),
              ("a neighbour brings {n}", "the neighbour's"), ("{name} wins {n} at the fair", "the prize"),
              ("{n} come as a present", "the present"), ("{other} donates {n}", "the new ones"),
              ("{name} borrows {n}", "the borrowed ones"), ("{n} new ones arrive", "the new ones"),
              ("{name} picks up {n} on the road", "the finds"), ("{name} gets {n} extra", "the extra"),
              ("{name} buys {n} at the market", "the purchase")],
        "-": [("{name} loses {n} on the way", "the lost"), ("{n} are sold", "the sale"),
              ("{name} and {other} eat {n}", "the eaten ones"), ("{n} fall down and break", "the broken"),
              ("a thief takes {n}", "the stolen ones"), ("{name} lends {n} to {other}", "the lent ones"),
              ("{n} are thrown out", "the rubbish"), ("the dog carries {n} off", "the dog's"),
              ("{name} leaves {n} on the bus", "the forgotten ones"), ("{name} gives {other} {n}", "the gift"),
              ("{n} turn out to be bad", "the bad ones"), ("{n} get lost in the rain", "the lost")],
    },
    "zh": {
        "+": [("姑姑寄来{n}个", "寄来的"), ("{name}在地窖里找到{n}个", "找到的"), ("邻居拿来{n}个", "拿来的"),
              ("{name}比赛赢得{n}个", "赢得的"), ("收到礼物{n}个", "礼物"), ("{other}捐出{n}个", "捐出的"), ("{name}借来{n}个", "借来的"),
              ("新到{n}个", "新到的"), ("{name}路上捡了{n}个", "捡的"), ("{name}多得{n}个", "多得的"), ("{name}买进{n}个", "买进的"),
              ("妈妈带来{n}个", "妈妈的")],
        "-": [("{name}路上丢失{n}个", "丢失的"), ("卖出{n}个", "卖出的"), ("大家吃了{n}个", "吃了的"), ("摔坏{n}个", "摔坏的"),
              ("小偷偷走{n}个", "偷走的"), ("{name}借给{other}{n}个", "借出的"), ("扔了{n}个", "扔了的"), ("小狗叼走{n}个", "叼走的"),
              ("{name}比赛输了{n}个", "输了的"), ("{name}送给{other}{n}个", "送走的"), ("坏了{n}个", "坏的"), ("分给孩子{n}个", "分掉的")],
    },
}

JOINTS = {  # two events in one story
    "en": ["{one}, and {two}.", "{one}. Later {two}.", "At noon {one}; in the evening {two}.", "{one}, but {two}."],
    "zh": ["{one}，{two}。", "{one}，晚上{two}。", "中午{one}，接着{two}。", "{one}。过了一天{two}。"],
}

ASKING = {
    "en": ["How many {item} does that make?", "How many {item} are there at last?", "What is the number of {item}?",
           "How many is that?", "Count the {item}.", "And how many {item} in the evening?"],
    "zh": ["{item}有几个？", "求{item}的数目。", "那么是几个{item}？", "数一数，{item}共几个？", "晚上有几个{item}？"],
}

BARE = {  # a sum without a story
    "en": ["What is {sum}?", "{sum} = ?", "Please compute {sum}.", "Can you work out {sum}?", "How much is {sum}?"],
    "zh": ["{sum}等于几？", "{sum} = ?", "请计算{sum}。", "帮我算{sum}。", "{sum}得多少？"],
}

STEPS = {  # manners of a step, by sign; {sum} is "84 + 17", {x} its value, {what} comes or goes, {order} it has
    "en": {"+": ["{sum} = {x}", "We add {n}: {sum} = {x}.", "{order} {sum} = {x}.", "{order} comes {what}: {sum} = {x}.", "Add {what}: {sum} = {x}."],
           "-": ["{sum} = {x}", "We subtract {n}: {sum} = {x}.", "{order} {sum} = {x}.", "{order} goes {what}: {sum} = {x}.", "Take away {what}: {sum} = {x}."],
           "*": ["{sum} = {x}", "We take it {n} times: {sum} = {x}.", "{order} {sum} = {x}.", "{order} come {what}: {sum} = {x}.", "Multiply {what}: {sum} = {x}."]},
    "zh": {"+": ["{sum} = {x}", "加{n}：{sum} = {x}。", "{order}算{sum} = {x}。", "{order}来{what}：{sum} = {x}。", "加上{what}：{sum} = {x}。"],
           "-": ["{sum} = {x}", "减{n}：{sum} = {x}。", "{order}算{sum} = {x}。", "{order}去{what}：{sum} = {x}。", "减去{what}：{sum} = {x}。"],
           "*": ["{sum} = {x}", "乘{n}：{sum} = {x}。", "{order}算{sum} = {x}。", "{order}数{what}：{sum} = {x}。", "算出{what}：{sum} = {x}。"]},
}
ORDER = {"en": ("First", "Then"), "zh": ("先", "再")}

STYLES = {  # house styles of an answer; {steps} stand one to a line
    "en": ["{steps}\nSo the result is {y}.", "## Solution\n{steps}\n\n## Result\n{y}", "{steps}\n**{y}**",
           "Let me see.\n{steps}\nThat makes {y}.", "Working:\n{steps}\nResult: {y}", "{steps}\nIt is {y}.", "{steps}\n\nThe answer is {y}."],
    "zh": ["{steps}\n所以结果是{y}。", "## 解\n{steps}\n\n## 结果\n{y}", "{steps}\n**{y}**", "我来算。\n{steps}\n得到{y}。",
           "过程：\n{steps}\n结果：{y}", "{steps}\n就是{y}。", "{steps}\n\n答案是{y}。"],
}

BOXES = {  # after the thought, in a minority of the answers
    "en": ["\\boxed{{{y}}}", "Result: \\boxed{{{y}}}", "So we get \\boxed{{{y}}}.", "It is \\boxed{{{y}}}."],
    "zh": ["\\boxed{{{y}}}", "结果：\\boxed{{{y}}}", "得到 \\boxed{{{y}}}。", "就是 \\boxed{{{y}}}。"],
}

FACTS = {
    "en": ["{sum} = {y}.", "{sum} makes {y}.", "The result of {sum} is {y}.", "We know that {sum} = {y}."],
    "zh": ["{sum} = {y}。", "{sum}得到{y}。", "{sum}的结果是{y}。", "我们知道{sum} = {y}。"],
}
