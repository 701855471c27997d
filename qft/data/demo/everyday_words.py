"""Everyday sentences of pre-training: the common words of both languages, in nobody's problem or talk.

A real row: ``"{name} thanked the old teacher and told her what had happened at school."``
Slots: {name} and {other} are persons, {item} a thing, {n} a number from 2 to 99.
"""

# fmt: off

EVERYDAY = {
    "en": [
        "First came the rain, then the sun, and {name} took away the umbrellas.",
        "{name} thanked the old teacher and told her what had happened at school.",
        "The school receives {item} every week and puts them on a shelf.",
        "{other} hears the bell, and it sounds as if the train were close.",
        "Nobody may ask how the game began or who wins it.",
        "Let the children look closer: each bag has a natural colour.",
        "{name} packs the boxes slowly and loses nothing.",
        "Multiply two numbers, add the rest, and take away what was lost.",
        "{other} finds {n} {item} under the bed and gives them back later.",
        "In all the shops of the street there are gifts to buy for a party.",
        "Lately the museum sells pictures of broken tables.",
        "The old man said hello and could not start the car.",
        "{name} is perfectly sure that dogs are allowed in the garden.",
        "The river runs at its own pace, side by side with the road.",
        "What was bought in May had not been sold since.",
        "The answer to a letter often takes more than a week.",
        "An assistant helps the user of a machine.",
        "{other} removed the small stones and filled the hole.",
        "How does a bird know where to stay in winter?",
        "Perhaps the next time the honest shopkeeper brings extra {item}.",
        "{name} trusted {other} and tried the cake; it went well.",
        "It hurts to step on {item}, and {name} knows that.",
        "We shall see whether the clock works, thought {other}.",
        "{n} {item} remain over, and many were given away as gifts.",
        "They collect what came back and what was received.",
        "You need not talk loudly, your friend can feel it.",
        "Being late is like this: you run, and you are still not there now.",
        "It is fine weather, so natural that {name} went for a walk.",
        "Tell me a tale, said {other}, and I will try to sleep.",
        "The winner donates another prize; at the end it seems a lot to everyone.",
    ],
    "zh": [
        "先下雨，再出太阳，{name}把伞拿走了。", "{name}谢谢老师，告诉她学校里发生的事情。",
        "学校每周收到{item}，然后放在架子上。", "{other}听到铃声，听起来火车来了。",
        "没有人问游戏是怎么开始的，最后谁赢了。", "孩子们一起看盒子里装的是什么。",
        "{name}慢慢装袋子，一个也没有丢掉。", "两个数先算乘法，再加上一个，再减去一个。",
        "{other}捡到{n}个{item}，后来放回桌上。", "街上的商店卖掉了很多送人的{item}。",
        "最近博物馆收藏的画坏了一张。", "老人说你好，从这里走到那里。",
        "{name}确定花园里可以带狗。", "河水按自己的节奏流，特别不容易看见进展。",
        "五月买来的还没卖掉，另外又买了一些。", "信的答案常常要等一周。",
        "助手陪着用户一起用机器。", "{other}拿走小石头，还剩多少没有数。",
        "鸟怎么知道冬天留在哪里呢？", "也许下次老实的店主会带来完好的{item}。",
        "{name}信任{other}，愿意试试这块蛋糕，觉得很好。", "踩到{item}会疼，{name}是知道的。",
        "{other}想，不必等钟，先走一小步。", "现在共有{n}个{item}，送出的和收集的都在。",
        "如果没有用，就关上门，嗯，就是这样的。", "你可以不说话，朋友能感受到你的心。",
        "聚会上每桌都有{item}，又输又赢也没关系。", "天气不错，{name}很自然地出去了。",
        "讲个故事吧，{other}说，我试着睡。", "有件事挺难的，说实话要做到完美不容易。",
        "捐来的和带来的，一共多少，大家来聊聊。", "关于天气，因为看得见，他感到安心。",
    ],
}
