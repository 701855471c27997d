"""Templates of the word problems. A family is ``(key, shape, question, first step, second step)``.

A real row: ``("bake", "add_sub", "{name} baked {a} {item} ...", "First {a} + {b} = {x} {item}.", ...)``.
Slots: {name}, {item}; the given numbers {a}, {b}, {c}; {x} after the first step, {y} the answer.
``SHAPES`` says which sum each shape is. The parts share no family: ``pool`` is trained on, ``test``
is only asked. Pre-training has problems of its own, see ``sums_words``.
"""

# fmt: off

SHAPES = {  # shape: (operator of the first step, operator of the second)
    "add_sub": ("+", "-"),
    "sub_add": ("-", "+"),
    "mul_add": ("*", "+"),
    "mul_sub": ("*", "-"),
}

NAMES = {
    "en": ["Tom", "Mia", "Ben", "Lily", "Sam", "Anna", "Jack", "Rosa", "Leo", "Nina"],
    "zh": ["小明", "小红", "小刚", "小丽", "小华", "小芳", "李雷", "王芳", "张伟", "陈静"],
}

ITEMS = {
    "en": ["apples", "pens", "books", "stickers", "cards", "stamps", "oranges", "cookies", "marbles", "coins"],
    "zh": ["苹果", "橘子", "桃子", "鸡蛋", "包子", "杯子", "玩具", "饼干", "弹珠", "气球"],
}

FAMILIES = {
    "en": {
        "pool": [
            ("market", "add_sub",
             "{name} has {a} {item} and buys {b} more. Then {name} gives {c} away. How many {item} are left?",
             "First add what was bought: {a} + {b} = {x}.", "Then take away the gifts: {x} - {c} = {y}."),
            ("school", "add_sub",
             "A school has {a} {item} and receives {b} from {name}. It loses {c} of them. How many {item} remain?",
             "First add what was received: {a} + {b} = {x}.", "Then take away the lost ones: {x} - {c} = {y}."),
            ("shelf", "sub_add",
             "There are {a} {item} on a shelf. {name} takes {b} and later puts {c} back. How many {item} are there now?",
             "First take away what was removed: {a} - {b} = {x}.", "Then add what came back: {x} + {c} = {y}."),
            ("boxes", "mul_add",
             "{name} packs {a} boxes with {b} {item} each and has {c} {item} over. How many {item} in all?",
             "First multiply the boxes: {a} * {b} = {x}.", "Then add the rest: {x} + {c} = {y}."),
            ("weeks", "mul_add",
             "{name} collects {b} {item} a week for {a} weeks and finds {c} more. How many {item} does {name} have?",
             "First multiply the weeks: {a} * {b} = {x}.", "Then add what was found: {x} + {c} = {y}."),
            ("bags", "mul_sub",
             "{name} fills {a} bags with {b} {item} each and sells {c} {item}. How many {item} are not sold?",
             "First multiply the bags: {a} * {b} = {x}.", "Then take away what was sold: {x} - {c} = {y}."),
        ],
        "test": [
            ("museum", "add_sub",
             "A museum owns {a} {item}. {name} donates another {b}, but {c} get broken. How many good {item} does it own?",
             "First add the donation: {a} + {b} = {x}.", "Then take away the broken ones: {x} - {c} = {y}."),
            ("game", "sub_add",
             "{name} starts a game with {a} {item}, loses {b} and wins {c}. How many {item} at the end?",
             "First take away the loss: {a} - {b} = {x}.", "Then add the win: {x} + {c} = {y}."),
            ("tables", "mul_add",
             "At a party {a} tables hold {b} {item} each. {name} brings {c} extra {item}. How many {item} are at the party?",
             "First multiply the tables: {a} * {b} = {x}.", "Then add the extra ones: {x} + {c} = {y}."),
        ],
    },
    "zh": {
        "pool": [
            ("market", "add_sub", "{name}有{a}个{item}，又买了{b}个，然后送出{c}个。还剩多少个{item}？",
             "先加上买来的：{a} + {b} = {x}。", "再减去送出的：{x} - {c} = {y}。"),
            ("school", "add_sub", "学校有{a}个{item}，收到{name}送来的{b}个，后来丢了{c}个。现在有多少个{item}？",
             "先加上收到的：{a} + {b} = {x}。", "再减去丢掉的：{x} - {c} = {y}。"),
            ("shelf", "sub_add", "架子上有{a}个{item}，{name}拿走{b}个，后来放回{c}个。架子上有多少个{item}？",
             "先减去拿走的：{a} - {b} = {x}。", "再加上放回的：{x} + {c} = {y}。"),
            ("boxes", "mul_add", "{name}装了{a}盒{item}，每盒{b}个，另外还有{c}个。一共有多少个{item}？",
             "先算盒子里的：{a} * {b} = {x}。", "再加上另外的：{x} + {c} = {y}。"),
            ("weeks", "mul_add", "{name}每周收集{b}个{item}，收集了{a}周，又捡到{c}个。{name}共有多少个{item}？",
             "先算收集的：{a} * {b} = {x}。", "再加上捡到的：{x} + {c} = {y}。"),
            ("bags", "mul_sub", "{name}装了{a}袋{item}，每袋{b}个，卖掉{c}个。没卖掉的有多少个{item}？",
             "先算袋子里的：{a} * {b} = {x}。", "再减去卖掉的：{x} - {c} = {y}。"),
        ],
        "test": [
            ("museum", "add_sub", "博物馆收藏{a}个{item}，{name}又捐了{b}个，其中{c}个坏了。完好的{item}有多少个？",
             "先加上捐来的：{a} + {b} = {x}。", "再减去坏了的：{x} - {c} = {y}。"),
            ("game", "sub_add", "游戏开始时{name}有{a}个{item}，输了{b}个，又赢了{c}个。最后有多少个{item}？",
             "先减去输掉的：{a} - {b} = {x}。", "再加上赢来的：{x} + {c} = {y}。"),
            ("tables", "mul_add", "聚会上有{a}张桌子，每桌放{b}个{item}，{name}又带来{c}个。聚会上有多少个{item}？",
             "先算桌上的：{a} * {b} = {x}。", "再加上带来的：{x} + {c} = {y}。"),
        ],
    },
}
